"""The settings as the README shows them: `python -m infra.settings_table` prints the table."""

from __future__ import annotations

import sys
from itertools import chain
from typing import Any, Final

from infra.artifact_settings import ArtifactSettings
from infra.call_settings import CallSettings
from infra.log_settings import LogSettings
from infra.settings import Settings, variable
from infra.vendor_settings import VendorSettings

PARTS: Final = (CallSettings, ArtifactSettings, LogSettings, VendorSettings)
"""In the order that they are shown in, after the settings of the whole."""


def markdown_table() -> str:
    """The settings as the README shows them."""
    properties = Settings.model_json_schema(by_alias=False)["properties"]
    lines = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    of_parts = [*chain.from_iterable(part.model_fields for part in PARTS)]
    own = [field for field in Settings.model_fields if field not in of_parts]
    for field in chain(own, of_parts):
        about = Settings.model_fields[field]
        schema = properties[field]
        shown = "" if about.default in (None, (), "", {}) else f"`{about.default}`"
        text = str(about.description).replace("|", "\\|")
        lines.append(f"| `{variable(field)}` | {_type_and_bounds(schema)} | {shown} | {text} |")
    return "\n".join(lines)


def _type_and_bounds(schema: dict[str, Any]) -> str:
    if choices := schema.get("enum"):
        return " or ".join(f"`{choice}`" for choice in choices)
    variants = [schema, *schema.get("anyOf", ())]
    if any(variant.get("format") == "password" for variant in variants):
        return "secret text"
    if any(variant.get("format") == "path" for variant in variants):
        return "path"
    kind = {
        "string": "text",
        "integer": "integer",
        "number": "number",
        "array": "list",
        "boolean": "true or false",
        "object": "pairs",
    }[schema["type"]]
    bounds = f", {schema['minimum']:g} to {schema['maximum']:g}" if "minimum" in schema else ""
    unit = f" {schema['unit']}" if "unit" in schema else ""
    return kind + bounds + unit


if __name__ == "__main__":
    sys.stdout.write(markdown_table() + "\n")
