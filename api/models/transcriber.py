"""The speech recogniser of an assistant, a union told apart by ``provider``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from api.models.base import Closed, Open, by_field, mark
from api.models.plans import Server

TranscriberProvider = Literal[
    "11labs",
    "assembly-ai",
    "azure",
    "cartesia",
    "custom-transcriber",
    "deepgram",
    "gladia",
    "google",
    "openai",
    "soniox",
    "speechmatics",
    "talkscriber",
    "vapi",
    "xai",
]


class FallbackTranscriber(Open):
    """A recogniser to go on with when the first one fails."""

    provider: TranscriberProvider


class FallbackTranscriberPlan(Closed):
    """Recognisers in the order in which they are tried."""

    transcribers: list[FallbackTranscriber]


class TranscriberCore(Closed):
    """Fields that every recogniser has."""

    fallback_plan: FallbackTranscriberPlan | None = None


class DeepgramTranscriber(TranscriberCore):
    """Deepgram, its Flux models included."""

    provider: Literal["deepgram"]
    model: str | None = None
    language: str | None = None
    languages: list[str] | None = None
    smart_format: bool | None = None
    mip_opt_out: bool | None = None
    numerals: bool | None = None
    profanity_filter: bool | None = None
    redaction: list[Literal["pci", "pii", "phi", "numbers"]] | None = None
    confidence_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    eot_threshold: Annotated[float, Field(ge=0.5, le=0.9)] | None = None
    eager_eot_threshold: Annotated[float, Field(ge=0, le=0.9)] | None = None
    eot_timeout_ms: Annotated[float, Field(ge=500, le=10_000)] | None = None
    keywords: list[Annotated[str, Field(pattern=r"^[^\W\d_]\w*(?::[+-]?\d+)?$")]] | None = None
    keyterm: list[str] | None = None
    endpointing: Annotated[float, Field(ge=10, le=500)] | None = None
    codec: str | None = None


class OpenAITranscriber(TranscriberCore):
    """OpenAI's recognisers."""

    provider: Literal["openai"]
    model: str
    language: str | None = None


class CustomTranscriber(TranscriberCore):
    """A recogniser behind the tenant's own WebSocket."""

    provider: Literal["custom-transcriber"]
    server: Server


class LocalTranscriber(TranscriberCore):
    """The recogniser that comes with the server."""

    provider: Literal["vapi"]
    version: str | None = None
    model: str | None = None
    language: str | None = None
    languages: list[str] | None = None
    keywords: list[str] | None = None
    turn_taking: Literal["intelligent", "manual"] | None = None


class OtherTranscriber(TranscriberCore):
    """A recogniser of a provider whose own fields are kept as sent."""

    model_config = ConfigDict(extra="allow")

    provider: TranscriberProvider


_TYPED = ("deepgram", "openai", "custom-transcriber", "vapi")

Transcriber = Annotated[
    Annotated[DeepgramTranscriber, Tag(mark("deepgram"))]
    | Annotated[OpenAITranscriber, Tag(mark("openai"))]
    | Annotated[CustomTranscriber, Tag(mark("custom-transcriber"))]
    | Annotated[LocalTranscriber, Tag(mark("vapi"))]
    | Annotated[OtherTranscriber, Tag(mark("other"))],
    Discriminator(by_field("provider", {name: mark(name) for name in _TYPED}, mark("other"))),
]
