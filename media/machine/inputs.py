"""Everything that can happen to a conversation, as plain values. The shell turns I/O into these.

Each is stepped with ``now_ms`` on the call's clock and kept as a ``machine.input`` fragment, so that a recorded call
can be stepped again.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from domain.call.events import ConfigurationUse, TransferStatus

ProviderStage = Literal["transcriber", "model", "voice"]


class _Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="input", tag=True):
    pass


class Connected(_Input, frozen=True, kw_only=True):
    """Media can flow both ways; the caller hears us from now on."""


class TransportClosed(_Input, frozen=True, kw_only=True):
    """The caller's side has gone."""

    reason: str = "customer-ended-call"


class SpeechStarted(_Input, frozen=True, kw_only=True):
    """Voice activity of the caller began (``at`` is when, a little before now because detection needs frames)."""

    at_ms: float


class SpeechStopped(_Input, frozen=True, kw_only=True):
    """Voice activity ended; ``at_ms`` is the last voiced frame (t0)."""

    at_ms: float


class PartialHeard(_Input, frozen=True, kw_only=True):
    """A guess at what is being said; it replaces the guess before."""

    text: str


class FinalHeard(_Input, frozen=True, kw_only=True):
    """``text`` may be empty: something was said that was not understood. ``language`` is the one it was said in, where
    the transcriber tells."""

    text: str
    confidence: float | None = None
    language: str = ""


class EndOfTurnHeard(_Input, frozen=True, kw_only=True):
    """The transcriber's own end-of-turn signal."""


class EagerTurnHeard(_Input, frozen=True, kw_only=True):
    """The transcriber thinks that the turn has probably ended with ``text``: time to prepare an answer."""

    text: str


class TurnResumedHeard(_Input, frozen=True, kw_only=True):
    """The caller goes on after ``EagerTurnHeard``."""


class TranscriberReplaced(_Input, frozen=True, kw_only=True):
    """Another transcriber of the fallback plan listens from now on: whether it signals turns itself, and whether it
    gives its final only when asked."""

    native_end_of_turn: bool = False
    final_on_request: bool = False


class EndpointingAnswered(_Input, frozen=True, kw_only=True):
    """A smart endpointing provider's answer to ``AskEndpointing`` ``ask_id``: wait this long from now.

    A negative ``timeout_ms`` says that it gave none; the text heuristic decides then."""

    ask_id: int
    timeout_ms: float


class ModelText(_Input, frozen=True, kw_only=True):
    """A piece of the answer to ``StartModel`` ``request_id``."""

    request_id: int
    text: str


class RequestedTool(msgspec.Struct, frozen=True):
    """One tool call of a model; ``arguments`` is the decoded object, ``problem`` says why there is none to run with."""

    id: str
    name: str
    arguments: dict[str, Any]
    problem: str = ""


class ModelCalledTools(_Input, frozen=True, kw_only=True):
    """All tool calls of one model answer together, when the answer is complete; ``ModelFinished`` follows."""

    request_id: int
    calls: tuple[RequestedTool, ...]


class ModelFinished(_Input, frozen=True, kw_only=True):
    """The answer is complete. Token counts as the provider gave them."""

    request_id: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_prompt_tokens: int = 0


class ModelFailed(_Input, frozen=True, kw_only=True):
    """No configured model could answer (fallbacks were tried by the shell). ``ended_reason`` names the family."""

    request_id: int
    ended_reason: str


class VoiceStarted(_Input, frozen=True, kw_only=True):
    """First audio bytes of a chunk arrived (t6 for the first chunk of an utterance)."""

    utterance_id: int
    chunk: int


class VoiceFinished(_Input, frozen=True, kw_only=True):
    """All audio of a chunk is queued; ``duration_ms`` of it, for ``characters`` sent to the voice."""

    utterance_id: int
    chunk: int
    duration_ms: float
    characters: int


class ProviderFailed(_Input, frozen=True, kw_only=True):
    """Transcriber or voice failed beyond its fallbacks: the call cannot go on."""

    stage: ProviderStage
    ended_reason: str


class PlayoutStarted(_Input, frozen=True, kw_only=True):
    """The first frame of the utterance went to the transport (t7)."""

    utterance_id: int


class PlayoutFinished(_Input, frozen=True, kw_only=True):
    """The last frame of an ended utterance was played out, or it was stopped by ``StopPlayout``.

    Comes exactly once for every ``StartPlayout``, also when it was stopped before its first frame (``heard_ms`` 0).

    ``heard_chars[i]`` is how many characters of chunk ``i``'s *display* text had been heard; complete chunks count
    their whole length. ``heard_ms`` is audio really played.
    """

    utterance_id: int
    heard_ms: float
    heard_chars: tuple[int, ...]
    stopped: bool = False


class TimerFired(_Input, frozen=True, kw_only=True):
    """``generation`` is the one given when it was armed; a stale one is ignored."""

    timer: str
    generation: int


class ToolReturned(_Input, frozen=True, kw_only=True):
    """A tool server's answer. ``message`` is ``results[].message`` when it gave one, ``variables`` what the tool's
    extraction plan made of it."""

    tool_call_id: str
    result: str
    message: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    variables: dict[str, Any] = {}


class ToolErred(_Input, frozen=True, kw_only=True):
    """A tool call came to nothing. ``failure`` is a ``ToolFailure``, ``error`` what the model is told."""

    tool_call_id: str
    failure: str
    error: str
    message: dict[str, Any] | None = None


class DestinationAnswered(_Input, frozen=True, kw_only=True):
    """Whom a server names as the destination of ``AskDestination``, legal by its kind. ``result`` is what it wants the
    model to be told, ``message`` what it wants to be said first."""

    tool_call_id: str
    destination: dict[str, Any]
    result: str = ""
    message: dict[str, Any] | None = None


class AssistantResolved(_Input, frozen=True, kw_only=True):
    """Whom ``ResolveAssistant`` asked for is ready to take over: configuration complete, providers chosen.

    ``variables`` are those that the hand-off adds. Tokens are those that extracting them took from the model of the
    assistant that hands over.
    """

    tool_call_id: str
    assistant: dict[str, Any]
    late_templates: tuple[str, ...] = ()
    variables: dict[str, Any] = {}
    assistant_id: str | None = None
    assistant_version: str | None = None
    squad_id: str | None = None
    used: tuple[ConfigurationUse, ...] = ()
    native_end_of_turn: bool = False
    final_on_request: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0


class TransferProgressed(_Input, frozen=True, kw_only=True):
    """What became of ``Transfer``: ``connected`` ends our part of the call, everything else is a failure."""

    transfer_id: str
    status: TransferStatus
    detail: str = ""


class KeyPressed(_Input, frozen=True, kw_only=True):
    """The caller pressed one key of the phone: a digit, ``*``, ``#``, ``A`` to ``D``."""

    key: str


class BeepHeard(_Input, frozen=True, kw_only=True):
    """A steady tone as answering machines give it; ``at_ms`` is when it ended."""

    at_ms: float


class MachineAnswered(_Input, frozen=True, kw_only=True):
    """The carrier has told a machine from a person; ``beeped``: it is ready to record."""

    beeped: bool = False


class ControlReceived(_Input, frozen=True, kw_only=True):
    """A live-control message as sent (``say``, ``add-message``, ``control``, ``end-call``, ``hangup``, ...)."""

    message: dict[str, Any]


class EndRequested(_Input, frozen=True, kw_only=True):
    """The platform ends the call (REST, drain, reaper): at once, or when ``farewell`` has been said."""

    reason: str
    farewell: str = ""


Input = (
    Connected
    | TransportClosed
    | SpeechStarted
    | SpeechStopped
    | PartialHeard
    | FinalHeard
    | EndOfTurnHeard
    | EagerTurnHeard
    | TurnResumedHeard
    | TranscriberReplaced
    | EndpointingAnswered
    | ModelText
    | ModelCalledTools
    | ModelFinished
    | ModelFailed
    | VoiceStarted
    | VoiceFinished
    | ProviderFailed
    | PlayoutStarted
    | PlayoutFinished
    | TimerFired
    | ToolReturned
    | ToolErred
    | DestinationAnswered
    | AssistantResolved
    | TransferProgressed
    | KeyPressed
    | BeepHeard
    | MachineAnswered
    | ControlReceived
    | EndRequested
)
