"""What of a call may be kept, decided from its assistant before anything of it is written.

The matrix follows Vapi's public compliance documentation: HIPAA keeps everything, PCI and zero data retention keep
neither recording, words nor log, but the call, what it cost and how fast it was. Nothing that comes from the log
(analysis, replay, webhooks) has the words then. The process that held the call tells them to its server once, in the
report at the end; with HIPAA and PCI together nobody is told. https://docs.vapi.ai/security-and-privacy/PCI
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from domain.call.events import (
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    TranscriptFinalized,
    VariablesSet,
)
from domain.event import Event


class RetentionConflict(ValueError):
    """What an assistant asks for cannot be had together."""


@dataclass(frozen=True, slots=True)
class Retention:
    """``words`` are transcripts, messages, tool arguments and results, and the inputs that a replay steps. Where they
    are not kept, ``told`` says whether the call's server may have them in its report. ``mp3``: the recording is wanted
    in that form."""

    recording: bool = True
    words: bool = True
    log: bool = True
    told: bool = True
    mp3: bool = False

    def kept(self, event: Event) -> Event:
        """The event as it may be written."""
        return event if self.words else without_words(event)

    def keeps_fragment(self, type: str) -> bool:
        """Measuring points and states stay; inputs of the machine are what was said."""
        return self.words or not type.startswith(("machine.input", "transcript.", "model."))


KEEP_ALL = Retention()


def retention_of(assistant: Mapping[str, Any], *, zero_data_retention: bool = False) -> Retention:
    """What may be kept while ``assistant`` has the word. Raises ``RetentionConflict``."""
    compliance, artifacts = (_object(assistant.get(name)) for name in ("compliancePlan", "artifactPlan"))
    hipaa = compliance.get("hipaaEnabled") is True or assistant.get("hipaaEnabled") is True
    if hipaa and zero_data_retention:
        raise RetentionConflict(
            "compliancePlan.hipaaEnabled keeps calls, CALLFOLD_ZERO_DATA_RETENTION keeps none: switch one of them off"
        )
    if zero_data_retention or compliance.get("pciEnabled") is True:
        return Retention(recording=False, words=False, log=False, told=not hipaa)
    return Retention(
        recording=artifacts.get("recordingEnabled") is not False and assistant.get("recordingEnabled") is not False,
        log=artifacts.get("loggingEnabled") is not False,
        mp3=artifacts.get("recordingFormat") == "mp3",
    )


def without_words(event: Event) -> Event:
    """The event without anything that somebody said, asked or was told."""
    match event:
        case MessageCommitted():
            return replace(event, text="", generated_text=None, original_text=None)
        case TranscriptFinalized():
            return replace(event, text="")
        case ToolCalled():
            return replace(event, arguments={})
        case ToolCompleted():
            return replace(event, result="")
        case ToolFailed():
            return replace(event, error="")
        case VariablesSet():
            return replace(event, values={})
        case _:
            return event


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
