"""Anthropic's models through its own SDK, https://docs.anthropic.com/en/api/messages-streaming."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, Final

import anthropic

from media.egress.client import HttpError, Limits
from media.providers.chat_stream import tool_call
from media.providers.errors import ProviderError, category_of_status, retry_after_s
from media.providers.language_model import ModelFact, ModelRequest, TextDelta, Usage
from media.providers.settings import VendorAccess

PROVIDER: Final = "anthropic"
DEFAULT_MODEL: Final = "claude-haiku-4-5"
FIRST_TOKEN_S: Final = 10.0
_CONNECT_S: Final = 3.0
_KEPT_S: Final = 120.0
"""How long a connection waits for its next request: longer than a turn takes."""
_TAKES_TEMPERATURE: Final = re.compile(r"^claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[015])?(?:-\d{8})?$)")
"""Newer models decide for themselves; the SDK has no argument for it any more."""
_OPENING: Final = {"role": "user", "content": "(The call begins.)"}
"""The vendor wants the caller's side first; in a call the assistant often is."""


def anthropic_client(access: VendorAccess) -> anthropic.AsyncAnthropic:
    """A client that does not retry; ``access`` has a key."""
    return anthropic.AsyncAnthropic(
        api_key=access.api_key,
        base_url=access.base_url or None,
        max_retries=0,
        http_client=anthropic.DefaultAsyncHttpxClient(
            timeout=anthropic.Timeout(60.0, connect=_CONNECT_S), limits=Limits(keepalive_expiry=_KEPT_S)
        ),
    )


class AnthropicMessages:
    """One assistant's model over a shared client. ``configuration`` is the assistant's ``model`` object."""

    def __init__(
        self,
        client: anthropic.AsyncAnthropic,
        configuration: Mapping[str, Any],
        *,
        first_token_s: float = FIRST_TOKEN_S,
    ) -> None:
        self._client = client
        self._model = str(configuration.get("model") or DEFAULT_MODEL)
        self._first_token_s = first_token_s

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def model(self) -> str:
        return self._model

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelFact, None]:
        """See ``LanguageModel``."""
        answer = _Answer()
        try:
            async with asyncio.timeout(self._first_token_s):
                stream = await self._client.messages.create(**self._body(request), stream=True)
            async with stream:
                async for event in stream:
                    for fact in answer.take(event):
                        yield fact
        except TimeoutError:
            detail = f"no answer within {self._first_token_s:g} s"
            raise ProviderError(PROVIDER, "model", "timeout", detail) from None
        except anthropic.AnthropicError as error:
            raise _failure(error) from error
        except HttpError as error:
            detail = f"the answer broke off ({type(error).__name__})"
            raise ProviderError(PROVIDER, "model", "failed", detail) from error
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            detail = f"an event that cannot be read ({type(error).__name__})"
            raise ProviderError(PROVIDER, "model", "failed", detail) from error
        if not answer.complete:
            raise ProviderError(PROVIDER, "model", "failed", "the answer broke off before its end")
        yield answer.usage

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        system, messages = conversation(request.messages)
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "max_tokens": request.max_tokens,
        }
        if _TAKES_TEMPERATURE.match(self._model):
            body["extra_body"] = {"temperature": min(max(request.temperature, 0.0), 1.0)}
        if system:
            body["system"] = system
        if request.tools:
            body["tools"] = [_tool(tool["function"]) for tool in request.tools]
        return body


class _Answer:
    """What the events of one answer come to."""

    def __init__(self) -> None:
        self.complete = False
        self.usage = Usage(0, 0, estimated=True)
        self._called: dict[int, tuple[str, str, list[str]]] = {}

    def take(self, event: Any) -> Iterable[ModelFact]:
        match event.type:
            case "message_start":
                counted = event.message.usage
                cached = counted.cache_read_input_tokens or 0
                self.usage = Usage(counted.input_tokens + cached, counted.output_tokens, cached)
            case "content_block_start" if event.content_block.type == "tool_use":
                self._called[event.index] = (event.content_block.id, event.content_block.name, [])
            case "content_block_delta" if event.delta.type == "text_delta":
                yield TextDelta(event.delta.text)
            case "content_block_delta" if event.delta.type == "input_json_delta":
                self._called[event.index][2].append(event.delta.partial_json)
            case "content_block_stop" if event.index in self._called:
                call_id, name, pieces = self._called[event.index]
                yield tool_call(call_id, name, "".join(pieces))
            case "message_delta":
                known = self.usage
                self.usage = Usage(known.prompt_tokens, event.usage.output_tokens, known.cached_prompt_tokens)
            case "message_stop":
                self.complete = True


def conversation(messages: Iterable[Mapping[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """System text and messages in the vendor's shape: roles alternate, beginning with the caller's; results of tools
    are the caller's side."""
    system: list[str] = []
    written: list[dict[str, Any]] = []
    for message in messages:
        role, content = message["role"], message.get("content")
        if role in ("system", "developer"):
            if content:
                system.append(str(content))
            continue
        blocks: list[dict[str, Any]] = []
        if role == "tool":
            blocks.append(
                {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": str(content or "")}
            )
        elif content:
            blocks.append({"type": "text", "text": str(content)})
        blocks += [_tool_use(call) for call in message.get("tool_calls") or ()]
        side = "assistant" if role == "assistant" else "user"
        if not blocks:
            continue
        if written and written[-1]["role"] == side:
            written[-1]["content"] += blocks
        else:
            written.append({"role": side, "content": blocks})
    if not written or written[0]["role"] != "user":
        written.insert(0, dict(_OPENING))
    return "\n\n".join(system), written


def _tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call["function"]["arguments"]
    given = json.loads(arguments or "{}") if isinstance(arguments, str) else arguments
    return {"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": given}


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"name": function["name"], "description": function.get("description") or "", "input_schema": schema}


def _failure(error: anthropic.AnthropicError) -> ProviderError:
    """The category a policy acts on; the vendor's words are left out, they quote keys and prompts."""
    if isinstance(error, anthropic.APITimeoutError):
        return ProviderError(PROVIDER, "model", "timeout", "the connection timed out")
    if isinstance(error, anthropic.APIStatusError) and error.status_code >= 400:
        category, wait_s = category_of_status(error.status_code), retry_after_s(error.response.headers)
        return ProviderError(PROVIDER, "model", category, f"HTTP {error.status_code}", retry_after_s=wait_s)
    if isinstance(error, anthropic.APIConnectionError):
        return ProviderError(PROVIDER, "model", "failed", "the connection failed or broke off")
    return ProviderError(PROVIDER, "model", "server", f"an error within the stream ({type(error).__name__})")
