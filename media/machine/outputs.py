"""Everything the call machine can ask for, as plain values. The shell carries them out in the order given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.event import Event


class _Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="output", tag=True):
    pass


class StartModel(_Output, frozen=True, kw_only=True):
    """Ask the model. ``messages`` are OpenAI-shaped and complete; tools come from the plan."""

    request_id: int
    turn: int
    messages: tuple[dict[str, Any], ...]


class AbortModel(_Output, frozen=True, kw_only=True):
    """Cancel a request; whatever of it still arrives is ignored."""

    request_id: int


class Synthesize(_Output, frozen=True, kw_only=True):
    """Send one chunk to the voice and queue its audio behind the utterance's earlier chunks; do not play yet.

    ``text`` is what history shows (display text), ``spoken`` what the voice gets after formatting. ``cacheable``
    texts (first message, fillers) may be kept. ``last`` closes the utterance (its text may be empty then). ``voice`` is
    the assistant's where it is empty; ``consent`` is the one that asks for consent to being recorded.
    ``sound`` is the URL of what is to be played instead of being spoken; ``text`` stands for it in the history.
    """

    utterance_id: int
    chunk: int
    text: str
    spoken: str
    last: bool = False
    cacheable: bool = False
    voice: str = ""
    sound: str = ""


class StartPlayout(_Output, frozen=True, kw_only=True):
    """The gate is open: play the utterance as its audio comes (first after any that plays now)."""

    utterance_id: int


class StopPlayout(_Output, frozen=True, kw_only=True):
    """Stop at once, drop queued audio and running synthesis of this utterance, clear the transport's buffer.

    The shell answers with ``PlayoutFinished(stopped=True)`` if ``StartPlayout`` had been given for it and it had not
    finished yet, even where no frame was sent; else with nothing. It does so after the call's last ``StopPlayout``
    too, when the transport has gone: the machine waits for it to know what was heard."""

    utterance_id: int


class FinalizeTranscript(_Output, frozen=True, kw_only=True):
    """Tell a transcriber that needs it that speech has stopped."""


class AskEndpointing(_Output, frozen=True, kw_only=True):
    """Ask the configured smart endpointing provider; answered by ``EndpointingAnswered`` with the same ``ask_id``.

    A later question makes the earlier ones worthless: the shell may cancel them."""

    ask_id: int
    messages: tuple[dict[str, Any], ...]


class CallTool(_Output, frozen=True, kw_only=True):
    """Carry out a tool call. ``tool`` is the tool's configuration. Answered by ``ToolReturned`` or ``ToolErred``,
    unless ``detached`` (async tools: send and forget).

    ``arguments`` is what the model filled in, held against the schema. Templates in ``tool`` at ``late`` paths and in
    its static parameters are rendered with ``variables`` and the arguments.
    """

    tool_call_id: str
    name: str
    arguments: dict[str, Any]
    tool: dict[str, Any]
    detached: bool = False
    late: tuple[str, ...] = ()
    variables: Mapping[str, Any] = {}


class AskDestination(_Output, frozen=True, kw_only=True):
    """Ask the tenant's server where to go (``transfer-destination-request``, ``handoff-destination-request``).

    Answered by ``DestinationAnswered``, or by ``ToolErred`` where the answer is none that may be followed.
    """

    tool_call_id: str
    handoff: bool
    arguments: dict[str, Any]
    tool: dict[str, Any]
    destination: dict[str, Any] = {}


class ResolveAssistant(_Output, frozen=True, kw_only=True):
    """Get another assistant ready to take over. Answered by ``AssistantResolved`` or ``ToolErred``.

    ``variables`` are the call's, ``arguments`` what the model filled in besides the destination, ``messages`` the
    conversation from which the destination's ``variableExtractionPlan`` may draw.
    """

    tool_call_id: str
    destination: dict[str, Any]
    arguments: dict[str, Any]
    variables: Mapping[str, Any]
    messages: tuple[dict[str, Any], ...] = ()


class UseAssistant(_Output, frozen=True, kw_only=True):
    """From now on speak, listen, think and call tools as the assistant that was resolved for ``tool_call_id``."""

    tool_call_id: str


class Transfer(_Output, frozen=True, kw_only=True):
    """Connect the caller to a number or a SIP address. Answered by ``TransferProgressed``."""

    transfer_id: str
    destination: dict[str, Any]


class ArmTimer(_Output, frozen=True, kw_only=True):
    """Fire ``TimerFired(timer, generation)`` at ``at_ms``; arming the same name again replaces it."""

    timer: str
    at_ms: float
    generation: int


class DisarmTimer(_Output, frozen=True, kw_only=True):
    """The timer is not wanted any more."""

    timer: str


class Mute(_Output, frozen=True, kw_only=True):
    """``who`` is ``assistant`` or ``customer``."""

    who: str
    muted: bool


class AllowRecording(_Output, frozen=True, kw_only=True):
    """Whether the caller may be recorded from now on; until the first of these, yes."""

    allowed: bool


class Record(_Output, frozen=True, kw_only=True):
    """Append a domain event of this call."""

    event: Event


class Note(_Output, frozen=True, kw_only=True):
    """Keep a fragment (``mark.t0``, ``turn.state``, ...)."""

    type: str
    data: dict[str, Any] = {}


class Notify(_Output, frozen=True, kw_only=True):
    """A client message as it goes on the wire (camelCase, unwrapped); the shell filters by ``clientMessages``."""

    message: dict[str, Any]


class HangUp(_Output, frozen=True, kw_only=True):
    """The conversation is over: close the transport and finish the call. Last output ever."""

    reason: str


Output = (
    StartModel
    | AbortModel
    | Synthesize
    | StartPlayout
    | StopPlayout
    | FinalizeTranscript
    | AskEndpointing
    | CallTool
    | AskDestination
    | ResolveAssistant
    | UseAssistant
    | Transfer
    | ArmTimer
    | DisarmTimer
    | Mute
    | AllowRecording
    | Record
    | Note
    | Notify
    | HangUp
)
