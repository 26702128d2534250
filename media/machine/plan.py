"""The policy of one conversation: an assistant's resolved configuration, parsed, defaulted and frozen.

``unsupported`` names what an assistant configured and the call does without, so that it can say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from domain.call.late_templates import below
from domain.server_messages.selection import DEFAULT_CLIENT_MESSAGES
from media.machine.consent_plan import ConsentPlan, read_consent
from media.machine.hook_plan import HookPlan, read_hooks
from media.machine.language_plan import expected
from media.machine.listening_plans import (
    DenoisingPlan,
    KeypadPlan,
    VoicemailPlan,
    read_denoising,
    read_keypad,
    read_voicemail,
)
from media.machine.reading import PlanInvalid, Section
from media.machine.security_filter import SecurityFilter, read_security_filter
from media.machine.speaking_plans import (
    StartSpeaking,
    StopSpeaking,
    read_start_speaking,
    read_stop_speaking,
)
from media.machine.tool_plan import ToolPlan, read_tools, tool_definitions
from media.machine.voice_plans import read_chunks, read_formatting
from media.text.chunking import ChunkPlan
from media.text.formatting import FormatPlan

__all__ = ["CallPlan", "PlanInvalid"]

FirstMessageMode = Literal[
    "assistant-speaks-first", "assistant-speaks-first-with-model-generated-message", "assistant-waits-for-user"
]
FIRST_MESSAGE_MODES: tuple[FirstMessageMode, ...] = (
    "assistant-speaks-first",
    "assistant-speaks-first-with-model-generated-message",
    "assistant-waits-for-user",
)
TRANSCRIPT_WAIT_MS = 1_500.0
"""How long after a sound its transcript may come before the sound counts as noise."""

HANG_MS = 5_000.0
FALLBACK_MS = 15_000.0
PATIENCE_MS = 1_000.0
"""How much longer than an assistant's own limit for its model an answer is waited for: the limit acts first."""
TOOL_BUDGET = 200
"""Tool calls that one conversation may have: a model that asks for more is in a loop, or led by somebody."""
FALLBACK_TEXT = "Sorry, I am having trouble answering right now. Could you please say that again?"

RECORDED_MESSAGE = "[recorded message]"
"""What stands in the history for a first message that is a sound file."""

_CONFIDENCE_DEFAULTS = {"deepgram": 0.4}
_WEB_TRANSPORTS = ("vapi.websocket", "callfold.webrtc", "daily", "livekit")


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves one stage, as the usage events name it. ``config`` holds no secrets and no prompt."""

    name: str
    model: str = ""
    config: dict[str, Any] = {}


class IdleMessages(msgspec.Struct, frozen=True, kw_only=True):
    """What is said into a silence, after how long, how often, and whether user speech starts the count again."""

    texts: tuple[str, ...]
    after_ms: float
    max_count: int
    reset_on_user_speech: bool
    silence_text: str


class CallPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the call machine needs to know in advance. Times in ms.

    ``variables`` are those that the conversation begins with; the messages of ``prompt_templates`` at ``late_prompt``
    are rendered anew when there are more. ``tool_budget`` is how many tool calls a conversation may have,
    ``interruption_words`` how many words interrupt an assistant that says nothing of it.
    ``first_message_sound`` is its URL where the first message is a sound file. ``background`` is ``off``, ``office`` or
    a URL. ``clock_origin_ms`` is the epoch time of the call clock's zero. ``hang_ms`` and ``fallback_ms`` are how long
    a caller who is owed an answer waits before a notice goes out, and before something is said in its place.
    ``thinks_ahead``: the model is asked as soon as a turn is probably over. ``earlier`` are messages of conversations
    before this one, as the model reads them behind the prompt. ``language`` is what the transcriber expects.
    """

    assistant: dict[str, Any]
    name: str
    first_message: str
    first_message_sound: str
    first_message_mode: FirstMessageMode
    first_message_interruptible: bool
    prompt: tuple[dict[str, Any], ...]
    start: StartSpeaking
    stop: StopSpeaking
    max_duration_ms: float
    silence_ms: float
    idle: IdleMessages
    end_call_message: str
    end_call_phrases: tuple[str, ...]
    chunks: ChunkPlan
    formatting: FormatPlan
    tools: dict[str, ToolPlan]
    tool_definitions: tuple[dict[str, Any], ...]
    client_messages: frozenset[str]
    model_output_in_messages: bool
    confidence_threshold: float
    transcriber: Provider
    model: Provider
    voice: Provider
    transport: Provider
    price_table: str
    clock_origin_ms: float
    unsupported: tuple[str, ...]
    denoising: DenoisingPlan = DenoisingPlan()
    keypad: KeypadPlan = KeypadPlan()
    voicemail: VoicemailPlan = VoicemailPlan()
    security: SecurityFilter = SecurityFilter()
    consent: ConsentPlan | None = None
    hooks: tuple[HookPlan, ...] = ()
    ignored_hooks: tuple[str, ...] = ()
    background: str = "off"
    voicemail_message: str = ""
    server_available: bool = False
    tool_budget: int = TOOL_BUDGET
    interruption_words: int = 0
    variables: dict[str, Any] = {}
    prompt_templates: tuple[dict[str, Any], ...] = ()
    late_prompt: tuple[int, ...] = ()
    final_on_request: bool = False
    thinks_ahead: bool = False
    earlier: tuple[dict[str, Any], ...] = ()
    language: str = ""
    transcript_wait_ms: float = TRANSCRIPT_WAIT_MS
    hang_ms: float = HANG_MS
    fallback_ms: float = FALLBACK_MS
    fallback_text: str = FALLBACK_TEXT

    @classmethod
    def from_assistant(
        cls,
        config: Mapping[str, Any],
        *,
        native_end_of_turn: bool = False,
        final_on_request: bool = False,
        server_available: bool = False,
        transport_provider: str = "vapi.websocket",
        price_table: str = "",
        clock_origin_ms: float = 0.0,
        tool_budget: int = TOOL_BUDGET,
        interruption_words: int = 0,
        late_templates: Iterable[str] = (),
        variables: Mapping[str, Any] | None = None,
        max_duration_seconds: float | None = None,
        thinks_ahead: bool = False,
        earlier: Iterable[Mapping[str, Any]] = (),
    ) -> CallPlan:
        """Parse a resolved assistant (overrides merged, templates rendered), wire JSON as Vapi shapes it.

        ``native_end_of_turn``: the transcriber that will be used signals turns itself. ``final_on_request``: it gives a
        final whenever it is told that speech has stopped. ``server_available``: tool calls without a server of their
        own can be delivered somewhere (the organisation's or the number's server). ``late_templates`` are the wire
        paths of texts that are rendered when they are used, ``variables`` what there is to fill them with so far.
        ``max_duration_seconds`` is the squad's, which counts for the whole call. ``thinks_ahead``: answers are prepared
        while it is still being decided whether a turn is over. ``earlier`` are chat completion messages from before the
        call.
        Raises ``PlanInvalid``.
        """
        assistant = Section(config)
        model = assistant.section("model")
        voice = assistant.section("voice")
        late = tuple(late_templates)
        reachable = server_available or _has_server(assistant)
        tools = read_tools(assistant, server_available=reachable, late=late)
        hooks, ignored_hooks = read_hooks(assistant, server_available=reachable, late=late)
        prompt = tuple(_prompt_message(entry) for entry in model.sections("messages"))
        seconds = max_duration_seconds or assistant.number("maxDurationSeconds", 600, 1, 43_200)
        transcriber = provider_of(assistant.section("transcriber"))
        first_message = assistant.text("firstMessage").strip()
        threshold = _CONFIDENCE_DEFAULTS.get(transcriber.name, 0.0)
        return cls(
            assistant=dict(config),
            name=assistant.text("name"),
            first_message=RECORDED_MESSAGE if _is_audio_file(first_message) else first_message,
            first_message_sound=first_message if _is_audio_file(first_message) else "",
            first_message_mode=assistant.choice("firstMessageMode", FIRST_MESSAGE_MODES[0], FIRST_MESSAGE_MODES),
            first_message_interruptible=assistant.flag("firstMessageInterruptionsEnabled", False),
            prompt=prompt,
            prompt_templates=prompt,
            late_prompt=_late_messages(late),
            start=read_start_speaking(assistant, native_end_of_turn=native_end_of_turn),
            stop=read_stop_speaking(assistant, interruption_words),
            interruption_words=interruption_words,
            max_duration_ms=seconds * 1000,
            silence_ms=assistant.number("silenceTimeoutSeconds", 30, 1, 3_600) * 1000,
            idle=_idle(assistant.section("messagePlan")),
            end_call_message=assistant.text("endCallMessage").strip(),
            end_call_phrases=tuple(
                phrase.lower().strip() for phrase in assistant.texts("endCallPhrases") if phrase.strip()
            ),
            chunks=read_chunks(voice),
            formatting=read_formatting(voice.section("chunkPlan").section("formatPlan")),
            tools=tools,
            tool_definitions=tool_definitions(tools),
            client_messages=_client_messages(assistant),
            model_output_in_messages=assistant.flag("modelOutputInMessagesEnabled", False),
            confidence_threshold=assistant.section("transcriber").number("confidenceThreshold", threshold, 0, 1),
            transcriber=transcriber,
            model=provider_of(model),
            voice=provider_of(voice),
            transport=Provider(name=transport_provider),
            price_table=price_table,
            final_on_request=final_on_request,
            clock_origin_ms=clock_origin_ms,
            background=_background(assistant, transport_provider),
            voicemail_message=assistant.text("voicemailMessage").strip(),
            server_available=server_available,
            tool_budget=tool_budget,
            thinks_ahead=thinks_ahead,
            language=expected(assistant),
            earlier=tuple(dict(message) for message in earlier),
            variables=dict(variables or {}),
            fallback_ms=_fallback_ms(model),
            denoising=read_denoising(assistant),
            keypad=read_keypad(assistant),
            voicemail=read_voicemail(assistant),
            consent=read_consent(assistant, server_available=reachable, late=late),
            security=read_security_filter(assistant),
            hooks=hooks,
            ignored_hooks=ignored_hooks,
            unsupported=(
                *_without(assistant),
                *(
                    f"The schema at {tool.problem}; its arguments are not checked;"
                    for tool in tools.values()
                    if tool.problem
                ),
            ),
        )

    def public(self) -> dict[str, Any]:
        """What clients learn of the assistant: nothing that could hold a secret or the prompt."""
        stages = {"transcriber": self.transcriber, "model": self.model, "voice": self.voice}
        shown: dict[str, Any] = {name: stage.config for name, stage in stages.items() if stage.config}
        shown["firstMessageMode"] = self.first_message_mode
        if self.name:
            shown["name"] = self.name
        if self.first_message:
            shown["firstMessage"] = self.first_message_sound or self.first_message
        return shown


def _without(assistant: Section) -> Iterable[str]:
    """What the assistant wants and calls go on without."""
    if assistant.section("model").number("numFastTurns", 0, 0, 1_000):
        yield "model.numFastTurns"
    if assistant.has("observabilityPlan"):
        yield "observabilityPlan"
    if assistant.flag("backchannelingEnabled", False):
        yield "backchannelingEnabled"
    if assistant.section("voice").flag("fillerInjectionEnabled", False):
        yield "voice.fillerInjectionEnabled"


def _fallback_ms(model: Section) -> float:
    """``model.timeoutSeconds`` is what a tenant's own model was granted: nothing is said in its place before."""
    granted_ms = model.number("timeoutSeconds", 0, 0, 300) * 1000 if model.text("provider") == "custom-llm" else 0.0
    return max(FALLBACK_MS, granted_ms + PATIENCE_MS)


def _late_messages(late: Iterable[str]) -> tuple[int, ...]:
    """The positions of the prompt's messages whose content stayed a template."""
    found = (path.split(".") for path in below(late, "model.messages"))
    return tuple(int(path[0]) for path in found if path[0].isdecimal() and path[1:] == ["content"])


def _background(assistant: Section, transport: str) -> str:
    """``off``, ``office`` or the URL of a sound. An office is the default on the phone, nothing in the browser."""
    default = "off" if transport in _WEB_TRANSPORTS else "office"
    chosen = assistant.text("backgroundSound").strip() or default
    if chosen not in ("off", "office") and not chosen.startswith(("http://", "https://")):
        raise PlanInvalid("backgroundSound", "is neither off, office nor a URL", "Give the URL of a sound file.")
    return chosen


def _is_audio_file(text: str) -> bool:
    path = text.lower().partition("?")[0]
    return path.startswith(("http://", "https://")) and path.endswith((".wav", ".mp3", ".ogg", ".flac"))


def _client_messages(assistant: Section) -> frozenset[str]:
    return frozenset(assistant.texts("clientMessages")) if assistant.has("clientMessages") else DEFAULT_CLIENT_MESSAGES


def _has_server(assistant: Section) -> bool:
    return bool(assistant.section("server").text("url") or assistant.text("serverUrl"))


def _prompt_message(entry: Section) -> dict[str, Any]:
    role = entry.choice("role", "system", ("system", "developer", "user", "assistant", "tool", "function"))
    return {**entry.values, "role": role, "content": entry.text("content")}


def _idle(plan: Section) -> IdleMessages:
    return IdleMessages(
        texts=tuple(text.strip() for text in plan.texts("idleMessages") if text.strip()),
        after_ms=plan.number("idleTimeoutSeconds", 10, 1, 60) * 1000,
        max_count=int(plan.number("idleMessageMaxSpokenCount", 3, 0, 100)),
        reset_on_user_speech=plan.flag("idleMessageResetCountOnUserSpeechEnabled", False),
        silence_text=plan.text("silenceTimeoutMessage").strip(),
    )


def provider_of(section: Section) -> Provider:
    """Who serves the stage that a section of an assistant configures. Raises ``PlanInvalid``."""
    shown = ("provider", "model", "voiceId", "language", "version")
    return Provider(
        name=section.text("provider", "vapi"),
        model=section.text("voiceId") if section.path == "voice" else section.text("model"),
        config={name: section.values[name] for name in shown if isinstance(section.values.get(name), str)},
    )
