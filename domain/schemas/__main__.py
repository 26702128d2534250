"""Write the JSON Schema files. Refuses to change a released version in a way that stored events would not survive."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from domain.registry import EVENT_TYPES
from domain.schemas import file_name, incompatibilities, render, schema_of


def main(folder: Path) -> int:
    """Write every schema into ``folder``; the exit status counts the refused ones."""
    refused = 0
    for event_type in EVENT_TYPES.values():
        schema, path = schema_of(event_type), folder / file_name(event_type)
        problems = incompatibilities(msgspec.json.decode(path.read_bytes()), schema) if path.exists() else []
        if problems:
            refused += 1
            sys.stderr.write(f"{path.name}: raise VERSION of {event_type.event_class.__name__} and add an upcaster:\n")
            sys.stderr.writelines(f"  {problem}\n" for problem in problems)
        elif not path.exists() or path.read_bytes() != render(schema):
            path.write_bytes(render(schema))
            sys.stdout.write(f"{path.name} written\n")
    return refused


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent))
