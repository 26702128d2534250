"""The whole memory of one conversation, frozen. Every step makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

import msgspec

from domain.call.events import Activation, Interruption
from media.machine.destinations import Destination
from media.machine.hook_plan import HookPlan
from media.machine.inputs import AssistantResolved, ModelFinished, RequestedTool
from media.machine.plan import CallPlan
from media.machine.tool_plan import ToolPlan
from media.text.chunking import ChunkBuffer

HistoryRole = Literal["system", "user", "assistant", "tool", "tool_calls", "tool_result"]


class Phase(StrEnum):
    """The turn-taking states. They follow from the rest of the state (``phases.phase_of``) and decide nothing."""

    IDLE = "IDLE"
    USER_SPEAKING = "USER_SPEAKING"
    ENDPOINTING = "ENDPOINTING"
    THINKING = "THINKING"
    CORKED = "CORKED"
    ASSISTANT_SPEAKING = "ASSISTANT_SPEAKING"
    BACKOFF = "BACKOFF"
    TOOL_WAIT = "TOOL_WAIT"
    ENDING = "ENDING"


class Anchors(msgspec.Struct, frozen=True):
    """The measuring points that come before the voice, handed from the user's turn to the answer that follows."""

    t0: float | None = None
    t1: float | None = None
    t2: float | None = None
    t3: float | None = None
    t4: float | None = None


class UserTurn(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller has said and no message holds yet.

    ``number`` is its exchange's, 0 before there are words. ``decided``: the turn is over and an answer is being made;
    new words take the decision back and are added. ``heard_nothing``: something was said that was not understood.
    ``over_assistant``: it began while we spoke.
    """

    finals: tuple[str, ...] = ()
    partial: str = ""
    heard_nothing: bool = False
    confidence: float | None = None
    started_ms: float
    t0: float | None = None
    t1: float | None = None
    decided: bool = False
    number: int = 0
    over_assistant: bool = False

    @property
    def text(self) -> str:
        parts = (*self.finals, self.partial) if self.partial else self.finals
        return " ".join(parts)

    @property
    def said_something(self) -> bool:
        return bool(self.finals or self.partial or self.heard_nothing)


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The model request that runs. ``utterance_id`` is set once its first text went to the voice.

    ``ahead_of``: the turn is not decided yet; these are the words it is about, and what comes of it is ``held``.
    ``ahead_in`` is the conversation before them that it was asked in.
    """

    request_id: int
    turn: int
    prompt_characters: int
    anchors: Anchors
    text: str = ""
    buffer: ChunkBuffer = ChunkBuffer()
    carry: str = ""
    utterance_id: int | None = None
    called_tools: bool = False
    ahead_of: tuple[str, ...] = ()
    ahead_in: tuple[dict[str, Any], ...] = ()
    held_text: str = ""
    held_calls: tuple[RequestedTool, ...] = ()
    held_finish: ModelFinished | None = None


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to say, from its first text to its last frame.

    ``chunks`` are display texts as sent to the voice; ``closed`` when no more will come. ``opened``: the shell was
    told to play it. ``stopping``: it was told to stop and has not answered yet. ``end_reason`` ends the call when
    this was spoken whole. ``releases`` are tool calls that wait until it was spoken. ``voice`` is who speaks it, where
    it is not the assistant.
    """

    utterance_id: int
    source: str
    turn: int
    turn_id: str
    chunks: tuple[str, ...] = ()
    generated: str = ""
    closed: bool = False
    interruptible: bool = True
    gate_ms: float = 0.0
    ready: bool = False
    opened: bool = False
    stopping: bool = False
    cut_by: Interruption | None = None
    started_ms: float | None = None
    anchors: Anchors = Anchors()
    t5: float | None = None
    t6: float | None = None
    end_reason: str | None = None
    releases: tuple[str, ...] = ()
    voice: str = ""


class RunningTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that has not been answered. ``sent`` is false while it waits for a blocking message.

    ``destination`` and ``result`` are those of a hand-off or transfer that is under way."""

    call: RequestedTool
    plan: ToolPlan
    started_ms: float
    sent: bool = True
    delays_said: int = 0
    destination: Destination | None = None
    result: str = ""


class ToolOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call of the batch that runs turned out, kept until all have."""

    call: RequestedTool
    said: str = ""
    instruction: str = ""
    ends_call: bool = False


class PendingHandover(msgspec.Struct, frozen=True, kw_only=True):
    """Another assistant is ready and takes over as soon as nothing is being said, asked or run.

    ``destination`` is how it was reached, ``call`` the tool call that did (``None``: by control), ``result`` what the
    model is told of it.
    """

    by: Activation
    resolved: AssistantResolved
    destination: Destination
    call: RequestedTool | None = None
    result: str = ""


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the conversation. ``calls`` for ``tool_calls``; ``call_id`` and ``name`` for a result.

    ``original`` is what the caller really said where the security filter changed it because of ``threats``.
    """

    role: HistoryRole
    text: str = ""
    started_ms: float = 0.0
    ended_ms: float = 0.0
    calls: tuple[RequestedTool, ...] = ()
    call_id: str = ""
    name: str = ""
    from_prompt: bool = False
    original: str = ""
    threats: tuple[str, ...] = ()


class MachineState(msgspec.Struct, frozen=True, kw_only=True):
    """See the module's purpose. ``turn`` counts exchanges: 0 is before the caller's first words, and a user message
    and the answer to it share a number. ``speech_turn`` counts changes of speaker, as client messages do.

    ``asides`` are acknowledgements over our speech: messages once that speech is one, never answered.
    ``language`` is what the caller speaks, empty as long as nobody has told. ``unheard`` is what was left of a speech
    that mere voice activity cut off, should it turn out to be noise.
    ``answer_owed``: the model is to be asked as soon as nothing speaks against it. ``ask_again``: it was being asked
    when the caller made a sound; ask again should it have been nothing. ``ahead_words`` are those that an answer was
    last prepared to, ``ahead_count`` how many were in this turn. ``timers`` holds the generation of each
    armed timer. ``final_due``: the transcriber was told that speech has stopped and has not given its final yet.
    ``answer_prompt`` is what the model is asked instead of the
    conversation (a hook's prompt). ``hook_counts`` says how often each of the present assistant's hooks has fired,
    ``hook_tools`` which tools of hooks run, ``elapsed_hooks`` are those that time fires.
    ``keys`` are those pressed since the last entry. ``voicemail``: whether a machine is listened for, its beep is
    waited for, or the message is being left.
    ``variables`` is the call's one bag of them. ``call_ids`` are those of every tool call so far, also of calls that a
    hand-over took out of the history. ``took_over`` is how long the history was when the present assistant
    began, ``listening_since_ms`` when its transcriber did. ``consent`` is that to being recorded, ``consent_asked`` how
    often it was asked for.
    """

    plan: CallPlan
    phase: Phase = Phase.IDLE
    connected_ms: float | None = None
    over: bool = False
    end_reason: str | None = None
    timers: Mapping[str, int] = {}
    timer_generation: int = 0

    user_voiced: bool = False
    voiced_since_ms: float = 0.0
    last_voiced_ms: float | None = None
    user: UserTurn | None = None
    asides: tuple[UserTurn, ...] = ()
    unfinished_partial: bool = False
    final_due: bool = False
    endpoint_rule: str = ""
    endpoint_wait_ms: float = 0.0
    ask_id: int = 0
    turn: int = 0
    backoff_until_ms: float = 0.0

    language: str = ""
    unheard: str = ""
    answer_owed: bool = False
    ask_again: bool = False
    answer_gate_ms: float = 0.0
    answer_anchors: Anchors = Anchors()
    first_message_owed: bool = False
    request: ModelRequest | None = None
    request_count: int = 0

    utterances: tuple[Utterance, ...] = ()
    utterance_count: int = 0
    last_said_ms: float = 0.0
    tools: tuple[RunningTool, ...] = ()
    outcomes: tuple[ToolOutcome, ...] = ()

    history: tuple[HistoryEntry, ...] = ()
    message_count: int = 0
    speaker: str = ""
    speech_turn: int = -1
    variants_used: int = 0
    idle_said: int = 0
    voice_characters: int = 0

    ahead_words: tuple[str, ...] = ()
    ahead_count: int = 0

    answer_prompt: tuple[dict[str, Any], ...] = ()
    hook_counts: Mapping[int, int] = {}
    hook_calls: int = 0
    hook_tools: tuple[RunningTool, ...] = ()
    elapsed_hooks: tuple[HookPlan, ...] = ()
    ending_hooks_done: bool = False

    keys: str = ""
    voicemail: Literal["off", "listening", "waiting", "leaving"] = "off"
    voicemail_checks: int = 0

    variables: Mapping[str, Any] = {}
    tools_called: int = 0
    call_ids: frozenset[str] = frozenset()
    took_over: int = 0
    handover: PendingHandover | None = None
    listening_since_ms: float = 0.0
    consent: Literal["unasked", "asking", "waiting", "answering", "granted", "declined"] = "unasked"
    consent_asked: int = 0

    @property
    def speaking(self) -> Utterance | None:
        """The utterance that plays (or was just told to) and was not told to stop."""
        head = self.utterances[0] if self.utterances else None
        return head if head is not None and head.opened and not head.stopping else None
