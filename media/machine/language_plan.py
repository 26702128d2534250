"""Languages in an assistant's configuration: which one is expected, and texts that there are in several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from media.machine.reading import Section

SEVERAL: Final = "multi"


def base(language: str) -> str:
    """``en`` for ``en-GB``."""
    return language.replace("_", "-").partition("-")[0].strip().lower()


def expected(assistant: Section) -> str:
    """The language that the transcriber is configured for, the first of several; empty where it is left open."""
    transcriber = assistant.section("transcriber")
    listed = transcriber.values.get("languages")
    first = listed[0] if isinstance(listed, list | tuple) and listed and isinstance(listed[0], str) else ""
    chosen = first or transcriber.values.get("language") or ""
    return "" if not isinstance(chosen, str) or chosen == SEVERAL else base(chosen)


def translations(contents: Iterable[Any]) -> dict[str, str]:
    """Texts by language of a ``contents`` list (``{"type": "text", "language": "es", "text": "…"}``)."""
    found: dict[str, str] = {}
    for entry in contents:
        if isinstance(entry, Mapping) and isinstance(entry.get("text"), str) and isinstance(entry.get("language"), str):
            found.setdefault(base(entry["language"]), entry["text"])
    return found
