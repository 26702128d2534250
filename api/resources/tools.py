"""``/tool``: what assistants can do besides talking, of every type."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from api.configuration.references import Reference, Use
from api.configuration.resource import Resource
from api.models.tools import ToolBody
from domain.configuration.kinds import CONFIGURATIONS
from domain.configuration.state import Configuration, version_label

TOOL_REFERENCES: Final = (
    Reference("credentialId", "credential"),
    Reference("server.credentialId", "credential"),
    Reference("destinations.*.assistantId", "assistant"),
    Reference("destinations.*.squadId", "squad"),
)


def _more(state: Configuration, now: datetime) -> dict[str, Any]:
    return {"latestVersion": version_label(state)}


TOOLS: Final = Resource(
    aggregate=CONFIGURATIONS["tool"],
    path="/tool",
    noun="tool",
    tag="Tools",
    body=ToolBody,
    fixed="type",
    references=TOOL_REFERENCES,
    used_by=(Use("assistant", "model.toolRefs.*.toolId", "tool_pinned", pinned_at="version"),),
    more=_more,
    shows={"latestVersion": {"type": "string"}},
)
