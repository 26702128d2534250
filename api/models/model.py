"""The language model of an assistant, a union told apart by ``provider``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag

from api.models.base import Closed, Identifier, JsonObject, Open, Url, by_field, mark, violation
from api.models.tools import Tool
from domain.provider_names import ModelProvider


class PromptMessage(Open):
    """One message that the conversation starts from; the system prompt is the first of role ``system``."""

    role: Literal["assistant", "function", "user", "system", "tool"]
    content: str | None


class ToolReference(Closed):
    """A stored tool in one of its versions."""

    tool_id: Identifier
    version: str


class ModelCore(Closed):
    """Fields that every model has, those of older versions included."""

    messages: list[PromptMessage] | None = None
    tools: list[Tool] | None = None
    tool_ids: list[Identifier] | None = None
    tool_refs: list[ToolReference] | None = None
    knowledge_base: JsonObject | None = None
    knowledge_base_id: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[float, Field(ge=50, le=10_000)] | None = None
    emotion_recognition_enabled: bool | None = None
    num_fast_turns: Annotated[float, Field(ge=0)] | None = None
    functions: list[JsonObject] | None = None


def _all_different(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise violation("INVALID_VALUE", "must hold each model only once")
    return names


class OpenAIModel(ModelCore):
    """A model of OpenAI. Model names are not checked: new ones appear monthly."""

    provider: Literal["openai"]
    model: str
    fallback_models: Annotated[list[str], AfterValidator(_all_different)] | None = None
    tool_strict_compatibility_mode: (
        Literal["strip-parameters-with-unsupported-validation", "strip-unsupported-validation"] | None
    ) = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=64)] | None = None
    reasoning_effort: Literal["minimal", "none", "low", "medium", "high", "xhigh"] | None = None


class CustomModel(ModelCore):
    """A model behind the tenant's own URL that speaks OpenAI's chat completions."""

    provider: Literal["custom-llm"]
    model: str
    url: Url
    headers: dict[str, str] | None = None
    metadata_send_mode: Literal["off", "variable", "destructured"] | None = None
    timeout_seconds: Annotated[float, Field(ge=0, le=300)] | None = None
    word_level_confidence_enabled: bool | None = None


class LocalModel(ModelCore):
    """The model that comes with the server: a guided conversation that needs no key."""

    provider: Literal["vapi"]
    model: str | None = None
    version: str | None = None
    workflow_id: str | None = None
    workflow: JsonObject | None = None


class OtherModel(ModelCore):
    """A model of a provider whose own fields are kept as sent."""

    model_config = ConfigDict(extra="allow")

    provider: ModelProvider
    model: str


Model = Annotated[
    Annotated[OpenAIModel, Tag(mark("openai"))]
    | Annotated[CustomModel, Tag(mark("custom-llm"))]
    | Annotated[LocalModel, Tag(mark("vapi"))]
    | Annotated[OtherModel, Tag(mark("other"))],
    Discriminator(
        by_field(
            "provider",
            {"openai": mark("openai"), "custom-llm": mark("custom-llm"), "vapi": mark("vapi")},
            mark("other"),
        )
    ),
]
