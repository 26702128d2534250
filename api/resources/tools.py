"""``/tool``: what assistants can do besides talking, of every type."""

from __future__ import annotations

from typing import Final

from api.configuration.references import Reference, Use
from api.configuration.resource import Resource, latest_version
from api.models.tools import ToolBody
from domain.configuration.kinds import CONFIGURATIONS

TOOL_REFERENCES: Final = (
    Reference("credentialId", "credential"),
    Reference("server.credentialId", "credential"),
    Reference("destinations.*.assistantId", "assistant"),
    Reference("destinations.*.squadId", "squad"),
)


TOOLS: Final = Resource(
    aggregate=CONFIGURATIONS["tool"],
    path="/tool",
    noun="tool",
    tag="Tools",
    body=ToolBody,
    fixed="type",
    references=TOOL_REFERENCES,
    used_by=tuple(
        Use(kind, f"{path}model.toolRefs.*.toolId", "tool_pinned", pinned_at="version")
        for kind, path in (
            ("assistant", ""),
            ("squad", "members.*.assistant."),
            ("squad", "members.*.assistantOverrides."),
            ("squad", "membersOverrides."),
        )
    ),
    more=latest_version,
    shows={"latestVersion": {"type": "string"}},
)
