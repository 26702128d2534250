"""``/assistant``: the configurations that calls are held with."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from api.configuration.references import Reference, Use
from api.configuration.resource import Resource
from api.models.assistant import AssistantBody
from api.short_forms import full_assistant
from domain.assistant.aggregate import ASSISTANT
from domain.assistant.wire import assistant_fields
from domain.configuration.state import Configuration

ASSISTANT_REFERENCES: Final = (
    Reference("model.toolIds.*", "tool"),
    Reference("model.toolRefs.*.toolId", "tool"),
    Reference("credentialIds.*", "credential"),
    Reference("server.credentialId", "credential"),
    Reference("artifactPlan.structuredOutputIds.*", "structured_output"),
    Reference("artifactPlan.scorecardIds.*", "scorecard"),
    Reference("hooks.*.do.*.toolId", "tool"),
    Reference("compliancePlan.recordingConsentPlan.declineToolId", "tool"),
)
"""The ids inside an assistant, or inside overrides of one."""


def _more(state: Configuration, now: datetime) -> dict[str, Any]:
    return assistant_fields(state)


ASSISTANTS: Final = Resource(
    aggregate=ASSISTANT,
    path="/assistant",
    noun="assistant",
    tag="Assistants",
    body=AssistantBody,
    references=ASSISTANT_REFERENCES,
    used_by=(Use("squad", "members.*.assistantId", "assistant_pinned", pinned_at="assistantVersion"),),
    replaceable=True,
    in_full=full_assistant,
    more=_more,
    shows={"latestVersion": {"type": "string"}, "isServerUrlSecretSet": {"type": "boolean"}},
)
