"""How one chat is to be answered: an assistant's resolved configuration, as far as writing needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from domain.aggregate import Refused
from domain.call.late_templates import rendered_at
from domain.call.resolution import Resolved
from domain.chat.messages import Message, text_of
from media.machine.reading import PlanInvalid, Section
from media.machine.tool_plan import ToolPlan, read_tools, tool_definitions
from media.providers.errors import ProviderError
from media.providers.language_model import LanguageModel, ModelRequest
from media.providers.tenant import patience_s

DEFAULT_TEMPERATURE = 0.5
DEFAULT_MAX_TOKENS = 250
_PROMPT = "model.messages."


class Models(Protocol):
    """The registry, as a chat needs it: usable models in the order to try them, at least one.

    Raises ``ProviderError`` where neither the configured model nor a fallback can be used.
    """

    def models(self, assistant: Mapping[str, Any]) -> Sequence[LanguageModel]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPlan:
    """``request`` is what every question to the model has in common; ``provider`` and its ``shown`` configuration are
    what meter readings name. ``epoch_ms`` is the time of day of the chat's zero.

    ``late_prompt`` are the paths of prompts that name a variable which only a tool's answer sets.
    """

    assistant: dict[str, Any]
    models: tuple[LanguageModel, ...]
    request: ModelRequest
    prompt: tuple[Message, ...]
    tools: dict[str, ToolPlan]
    provider: str
    model: str
    shown: dict[str, Any]
    end_message: str
    variables: dict[str, Any]
    late_prompt: tuple[str, ...]
    epoch_ms: float

    def prompt_with(self, variables: Mapping[str, Any], now: datetime) -> tuple[Message, ...]:
        """The prompt as the variables are now."""
        if not self.late_prompt:
            return self.prompt
        return _prompt(Section(rendered_at(self.assistant, self.late_prompt, variables, now)))


def plan_chat(
    providers: Models, context: dict[str, Any], *, resolved: Resolved, epoch_ms: float, server_available: bool = False
) -> ChatPlan:
    """Parse a resolved configuration and find its models; ``server_available`` says that the organisation has a server.

    Raises ``Refused`` that names the field at fault."""
    assistant = resolved.config
    section = Section(assistant)
    try:
        model = section.section("model")
        server = server_available or bool(section.section("server").text("url") or section.text("serverUrl"))
        tools = read_tools(section, server_available=server, late=resolved.late)
        request = ModelRequest(
            messages=(),
            tools=tool_definitions(tools),
            temperature=model.number("temperature", DEFAULT_TEMPERATURE, 0, 2),
            max_tokens=int(model.number("maxTokens", DEFAULT_MAX_TOKENS, 1, 100_000)),
            context=context,
            first_token_s=patience_s(model.values),
        )
        models = tuple(providers.models(assistant))
    except PlanInvalid as error:
        raise Refused(
            f"{error.reason[:1].upper()}{error.reason[1:]}.", field=f"assistant.{error.field}", fix=error.fix
        ) from error
    except ProviderError as error:
        reason = f"The assistant's model cannot be used: {error}."
        raise Refused(reason, field="assistant.model", fix="Choose another model, or have this one set up.") from error
    return ChatPlan(
        assistant=assistant,
        models=models,
        request=request,
        prompt=_prompt(section),
        tools=tools,
        provider=model.text("provider", "vapi"),
        model=model.text("model"),
        shown={name: model.values[name] for name in ("provider", "model") if isinstance(model.values.get(name), str)},
        end_message=section.text("endCallMessage").strip(),
        variables=resolved.variable_values,
        late_prompt=tuple(path for path in resolved.late if path.startswith(_PROMPT)),
        epoch_ms=epoch_ms,
    )


def _prompt(assistant: Section) -> tuple[Message, ...]:
    return tuple(
        {**entry.values, "role": entry.text("role", "system"), "content": text_of(entry.values)}
        for entry in assistant.section("model").sections("messages")
    )
