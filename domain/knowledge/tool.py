"""``query`` and ``knowledgeBase`` tools: how a model sees them, what they search, what the model is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from domain.knowledge.search import Found, Passage, Source

TYPES: Final = frozenset({"query", "knowledgeBase"})
"""The types of tools that this module understands."""

_NAME: Final = "search_knowledge"
_DESCRIPTION: Final = "Looks up what the documents say, to answer a question about their subject."
_NOTHING: Final = "Nothing in the documents answers this."


def definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The function that a model is offered: ``{name, description, parameters}``.

    ``query`` is what to look for; ``knowledgeBaseNames`` narrows a query tool that has several groups of files.
    """
    own = tool.get("function")
    function: Mapping[str, Any] = own if isinstance(own, Mapping) else {}
    groups = [group for group in _groups(tool) if group.get("name")]
    about = " ".join(f"{group['name']}: {group['description']}" for group in groups if group.get("description"))
    properties: dict[str, Any] = {
        "query": {"type": "string", "description": "What to look for, in the caller's words."}
    }
    if len(groups) > 1:
        names = [group["name"] for group in groups]
        properties["knowledgeBaseNames"] = {
            "type": "array",
            "items": {"type": "string", "enum": names},
            "description": "Where to look; everywhere when left out.",
        }
    return {
        "name": function.get("name") or _NAME,
        "description": function.get("description") or " ".join(filter(None, (_DESCRIPTION, about))),
        "parameters": {"type": "object", "properties": properties, "required": ["query"]},
    }


def sources(tool: Mapping[str, Any], arguments: Mapping[str, Any] | None = None) -> tuple[Source, ...]:
    """What the tool searches, narrowed to the ``knowledgeBaseNames`` in ``arguments`` where they name any of it."""
    if tool.get("type") == "knowledgeBase":
        base = tool.get("knowledgeBaseId")
        return (Source(knowledge_base_id=base),) if isinstance(base, str) and base else ()
    every = tuple(
        Source(name=str(group.get("name") or ""), file_ids=_texts(group.get("fileIds"))) for group in _groups(tool)
    )
    wanted = set(_texts((arguments or {}).get("knowledgeBaseNames")))
    return tuple(source for source in every if source.name in wanted) or every


def query(arguments: Mapping[str, Any], otherwise: str = "") -> str:
    """What to look for: the argument ``query``, else its only text, else ``otherwise`` (what the caller said last)."""
    given = arguments.get("query")
    if isinstance(given, str) and given.strip():
        return given
    texts = [value for value in arguments.values() if isinstance(value, str) and value.strip()]
    return texts[0] if len(texts) == 1 else otherwise


def answer(found: Found) -> str:
    """What the model is told: every passage under where it comes from, and what could not be looked into."""
    parts = [f"[{cited(passage)}]\n{passage.text}" for passage in found.passages] or [_NOTHING]
    if found.not_searched:
        reasons = "; ".join(dict.fromkeys(missing.reason for missing in found.not_searched))
        parts.append(f"Not everything could be searched: {reasons}.")
    return "\n\n".join(parts)


def cited(passage: Passage) -> str:
    """Where a passage comes from, for people: ``prices.pdf, page 2, Cleaning``."""
    page = f"page {passage.page}" if passage.page is not None else f"part {passage.number}"
    return ", ".join(filter(None, (passage.file_name, page, passage.heading)))


def _groups(tool: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    groups = tool.get("knowledgeBases")
    return [group for group in groups if isinstance(group, Mapping)] if isinstance(groups, list) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()
