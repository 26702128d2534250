"""OpenAI's responses API, for the models that no other serves: https://platform.openai.com/docs/api-reference/responses

Nothing is stored at the vendor: the conversation goes along with every request, as it does with chat completions.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, Final

import openai

from media.egress.client import HttpError
from media.providers.chat_stream import failure_of, tool_call
from media.providers.errors import ProviderError
from media.providers.language_model import ModelFact, ModelRequest, TextDelta, Usage
from media.providers.openai_chat import FIRST_TOKEN_S, PROVIDER

_RESPONSES_ONLY: Final = re.compile(r"^(?:o\d|gpt-5)[\w.]*-pro|codex|deep-research")
_LEAST_TOKENS: Final = 16
"""The vendor refuses a smaller ``max_output_tokens``."""


def needs_responses(model: str) -> bool:
    """Whether chat completions do not serve this model."""
    return _RESPONSES_ONLY.search(model) is not None


class OpenAiResponses:
    """One assistant's model over a shared client. ``configuration`` is the assistant's ``model`` object."""

    def __init__(
        self, client: openai.AsyncOpenAI, configuration: Mapping[str, Any], *, first_token_s: float = FIRST_TOKEN_S
    ) -> None:
        self._client = client
        self._model = str(configuration["model"])
        self._effort = configuration.get("reasoningEffort")
        self._first_token_s = first_token_s

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def model(self) -> str:
        return self._model

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelFact, None]:
        """See ``LanguageModel``."""
        body: dict[str, Any] = {
            "model": self._model,
            "input": items(request.messages),
            "max_output_tokens": max(request.max_tokens, _LEAST_TOKENS),
            "store": False,
        }
        if request.tools:
            body["tools"] = [flat_tool(tool) for tool in request.tools]
        if isinstance(self._effort, str):
            body["reasoning"] = {"effort": self._effort}
        finished = False
        try:
            async with asyncio.timeout(self._first_token_s):
                stream = await self._client.responses.create(**body, stream=True)
            async with stream:
                async for event in stream:
                    for fact in facts_of(event):
                        yield fact
                    finished = finished or event.type in ("response.completed", "response.incomplete")
        except TimeoutError:
            detail = f"no answer within {self._first_token_s:g} s"
            raise ProviderError(PROVIDER, "model", "timeout", detail) from None
        except openai.OpenAIError as error:
            raise failure_of(PROVIDER, error) from error
        except HttpError as error:
            detail = f"the answer broke off ({type(error).__name__})"
            raise ProviderError(PROVIDER, "model", "failed", detail) from error
        except (ValueError, AttributeError, TypeError) as error:
            detail = f"an event that cannot be read ({type(error).__name__})"
            raise ProviderError(PROVIDER, "model", "failed", detail) from error
        if not finished:
            raise ProviderError(PROVIDER, "model", "failed", "the answer broke off before its end")


def facts_of(event: Any) -> Iterable[ModelFact]:
    """What one event says. Raises ``ProviderError`` for a response that failed."""
    match event.type:
        case "response.output_text.delta":
            yield TextDelta(event.delta)
        case "response.output_item.done" if event.item.type == "function_call":
            yield tool_call(event.item.call_id, event.item.name, event.item.arguments)
        case "response.completed" | "response.incomplete" if event.response.usage is not None:
            usage = event.response.usage
            yield Usage(usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens)
        case "response.failed":
            code = event.response.error.code if event.response.error else "unknown"
            raise ProviderError(PROVIDER, "model", "server", f"the response failed: {code}")
        case "error":
            raise ProviderError(PROVIDER, "model", "server", f"an error within the stream, {event.code}")


def items(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A conversation in the shape of chat completions, as input items of a response."""
    written: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "tool":
            output = {"call_id": message["tool_call_id"], "output": str(message.get("content") or "")}
            written.append({"type": "function_call_output", **output})
            continue
        if message.get("content"):
            written.append({"role": message["role"], "content": message["content"]})
        for call in message.get("tool_calls") or ():
            function = call["function"]
            arguments = function["arguments"]
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            written.append(
                {"type": "function_call", "call_id": call["id"], "name": function["name"], "arguments": text}
            )
    return written


def flat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of chat completions, as responses take it."""
    function = tool["function"]
    return {"type": "function", "strict": False, **function}
