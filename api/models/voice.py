"""The voice of an assistant, a union told apart by ``provider``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag

from api.models.base import Closed, Expression, JsonObject, Open, by_field, mark, violation
from api.models.plans import Server

VoiceProvider = Literal[
    "11labs",
    "azure",
    "cartesia",
    "custom-voice",
    "deepgram",
    "hume",
    "inworld",
    "lmnt",
    "microsoft",
    "minimax",
    "neuphonic",
    "openai",
    "playht",
    "rime-ai",
    "sesame",
    "smallest-ai",
    "tavus",
    "vapi",
    "wellsaid",
    "xai",
]

PunctuationBoundary = Literal["。", "，", ".", "!", "?", ";", ")", "،", "۔", "।", "॥", "|", "||", ",", ":"]
Formatter = Literal[
    "markdown",
    "asterisk",
    "quote",
    "dash",
    "newline",
    "colon",
    "acronym",
    "dollarAmount",
    "email",
    "date",
    "time",
    "distance",
    "unit",
    "percentage",
    "phoneNumber",
    "number",
    "stripAsterisk",
]


class Replacement(Open):
    """A text that is spoken in place of another."""

    type: Literal["exact", "regex"]
    value: str
    regex: Expression | None = None


class FormatPlan(Closed):
    """How written text becomes speakable."""

    enabled: bool | None = None
    number_to_digits_cutoff: Annotated[float, Field(ge=0)] | None = None
    replacements: list[Replacement] | None = None
    formatters_enabled: list[Formatter] | None = None


class ChunkPlan(Closed):
    """How the model's text is cut into pieces for the voice."""

    enabled: bool | None = None
    min_characters: Annotated[float, Field(ge=1, le=80)] | None = None
    punctuation_boundaries: list[PunctuationBoundary] | None = None
    format_plan: FormatPlan | None = None


class FallbackVoice(Open):
    """A voice to go on with when the first one fails."""

    provider: VoiceProvider


class FallbackPlan(Closed):
    """Voices in the order in which they are tried."""

    voices: list[FallbackVoice]


class VoiceCore(Closed):
    """Fields that every voice has."""

    caching_enabled: bool | None = None
    # Taken out of the published schema; assistants from before still have it.
    filler_injection_enabled: bool | None = None
    chunk_plan: ChunkPlan | None = None
    fallback_plan: FallbackPlan | None = None


class CartesiaVoice(VoiceCore):
    """A voice of Cartesia; speed and volume stand in ``generationConfig``."""

    provider: Literal["cartesia"]
    voice_id: str
    model: str | None = None
    language: str | None = None
    experimental_controls: JsonObject | None = None
    generation_config: JsonObject | None = None
    pronunciation_dict_id: str | None = None


class OpenAIVoice(VoiceCore):
    """A voice of OpenAI."""

    provider: Literal["openai"]
    voice_id: str
    model: str | None = None
    instructions: Annotated[str, Field(max_length=10_000)] | None = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None


class DeepgramVoice(VoiceCore):
    """A voice of Deepgram."""

    provider: Literal["deepgram"]
    voice_id: str
    model: str | None = None
    mip_opt_out: bool | None = None


class ElevenLabsVoice(VoiceCore):
    """A voice of ElevenLabs."""

    provider: Literal["11labs"]
    voice_id: str
    model: str | None = None
    language: str | None = None
    stability: Annotated[float, Field(ge=0, le=1)] | None = None
    similarity_boost: Annotated[float, Field(ge=0, le=1)] | None = None
    style: Annotated[float, Field(ge=0, le=1)] | None = None
    use_speaker_boost: bool | None = None
    speed: Annotated[float, Field(ge=0.7, le=1.2)] | None = None
    optimize_streaming_latency: Annotated[float, Field(ge=0, le=4)] | None = None
    enable_ssml_parsing: bool | None = None
    auto_mode: bool | None = None
    pronunciation_dictionary_locators: list[JsonObject] | None = None


class CustomVoice(VoiceCore):
    """A voice behind the tenant's own URL that answers with raw PCM."""

    provider: Literal["custom-voice"]
    server: Server
    voice_id: str | None = None


def _check_version(value: Any) -> Any:
    if value not in ("1", "2", "latest", 1, 2, None) or isinstance(value, bool):
        raise violation("INVALID_CHOICE", "must be one of the following values: 1, 2, latest")
    return value


class LocalVoice(VoiceCore):
    """A voice that comes with the server."""

    provider: Literal["vapi"]
    voice_id: str
    version: Annotated[Any, AfterValidator(_check_version)] = None
    speed: Annotated[float, Field(ge=0.25, le=2)] | None = None
    language: str | None = None
    pronunciation_dictionary: list[JsonObject] | None = None


class OtherVoice(VoiceCore):
    """A voice of a provider whose own fields are kept as sent."""

    model_config = ConfigDict(extra="allow")

    provider: VoiceProvider
    voice_id: str


_TYPED = ("cartesia", "openai", "deepgram", "11labs", "custom-voice", "vapi")

Voice = Annotated[
    Annotated[CartesiaVoice, Tag(mark("cartesia"))]
    | Annotated[OpenAIVoice, Tag(mark("openai"))]
    | Annotated[DeepgramVoice, Tag(mark("deepgram"))]
    | Annotated[ElevenLabsVoice, Tag(mark("11labs"))]
    | Annotated[CustomVoice, Tag(mark("custom-voice"))]
    | Annotated[LocalVoice, Tag(mark("vapi"))]
    | Annotated[OtherVoice, Tag(mark("other"))],
    Discriminator(by_field("provider", {name: mark(name) for name in _TYPED}, mark("other"))),
]
