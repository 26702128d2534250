"""One streamed chat completion through the OpenAI SDK, as facts of the language-model protocol.

Shared by every provider that speaks the chat-completions protocol. The answer is normally server-sent events with
``chat.completion.chunk`` objects; a server that ignores ``stream`` and answers with one JSON object is understood too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import ValidationError

from domain.egress import EgressBlocked
from media.providers.errors import Category, ProviderError
from media.providers.language_model import ModelFact, TextDelta, ToolCallRequest, Usage

_STATUS: Mapping[int, Category] = {
    401: "unauthorized",
    403: "forbidden",
    408: "timeout",
    429: "quota",
    503: "overloaded",
    529: "overloaded",
}
_EVENT_STREAM = "text/event-stream"
_JSON = "application/json"


@dataclass(slots=True)
class _PartialCall:
    """A tool call whose arguments are still arriving."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


async def stream_chat(
    client: openai.AsyncOpenAI,
    provider: str,
    body: Mapping[str, Any],
    *,
    headers: Mapping[str, Any],
    first_token_s: float,
) -> AsyncGenerator[ModelFact, None]:
    """Send ``body`` (a chat-completions request without ``stream``) and yield what comes back.

    ``first_token_s`` bounds the time to the first piece of the answer. Raises ``ProviderError``; closing the generator
    closes the connection, which is how the server learns that nobody listens any more."""
    options = {name: body[name] for name in body if name not in ("model", "messages")}
    try:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(first_token_s):
                response = await stack.enter_async_context(
                    client.chat.completions.with_streaming_response.create(
                        model=body["model"],
                        messages=body["messages"],
                        stream=True,
                        extra_body=options,
                        extra_headers=headers,
                    )
                )
                content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                if content_type == _JSON:
                    facts = _whole(provider, ChatCompletion.model_validate_json(await response.read()))
                elif content_type == _EVENT_STREAM:
                    facts = _pieces(provider, aiter(await response.parse()))
                    stack.push_async_callback(facts.aclose)
                else:
                    raise ProviderError(provider, "model", "failed", f"answered {content_type or 'no content type'!r}")
                first = await anext(facts, None)
            while first is not None:
                yield first
                first = await anext(facts, None)
    except TimeoutError:
        raise ProviderError(provider, "model", "timeout", f"no answer within {first_token_s:g} s") from None
    except EgressBlocked as error:
        raise ProviderError(provider, "model", "bad-request", str(error)) from error
    except openai.OpenAIError as error:
        raise _provider_error(provider, error) from error
    except (ValidationError, json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
        # The SDK builds chunks without validating them: an object of another shape shows only when it is read.
        detail = f"an answer that is no chat completion ({type(error).__name__})"
        raise ProviderError(provider, "model", "failed", detail) from error


async def _pieces(provider: str, chunks: AsyncIterator[ChatCompletionChunk]) -> AsyncGenerator[ModelFact, None]:
    calls: dict[int, _PartialCall] = {}
    usage: Usage | None = None
    written = 0
    finished = False
    async for chunk in chunks:
        if chunk.usage is not None:
            usage = _usage(chunk)
        for choice in chunk.choices or ():
            finished = finished or choice.finish_reason is not None
            delta = choice.delta
            if delta.content:
                written += len(delta.content)
                yield TextDelta(delta.content)
            for piece in delta.tool_calls or ():
                call = calls.setdefault(piece.index, _PartialCall())
                call.id = piece.id or call.id
                if piece.function is not None:
                    call.name = piece.function.name or call.name
                    call.arguments.append(piece.function.arguments or "")
            if delta.function_call is not None:
                call = calls.setdefault(-1, _PartialCall(id="call_0"))
                call.name = delta.function_call.name or call.name
                call.arguments.append(delta.function_call.arguments or "")
    if not finished:
        raise ProviderError(provider, "model", "failed", "the answer broke off before its end")
    for index in sorted(calls):
        call = calls[index]
        yield _tool_call(provider, call.id or f"call_{index}", call.name, "".join(call.arguments))
    yield usage or Usage(0, -(-written // 4), estimated=True)


async def _whole(provider: str, completion: ChatCompletion) -> AsyncGenerator[ModelFact, None]:
    if not completion.choices:
        raise ProviderError(provider, "model", "failed", "an answer without choices")
    message = completion.choices[0].message
    if message.content:
        yield TextDelta(message.content)
    for call in message.tool_calls or ():
        if call.type == "function":
            yield _tool_call(provider, call.id, call.function.name, call.function.arguments)
    if message.function_call is not None:
        yield _tool_call(provider, "call_0", message.function_call.name, message.function_call.arguments)
    yield _usage(completion) if completion.usage else Usage(0, -(-len(message.content or "") // 4), estimated=True)


def _tool_call(provider: str, call_id: str, name: str, arguments: str) -> ToolCallRequest:
    try:
        decoded = json.loads(arguments or "{}")
    except json.JSONDecodeError as error:
        detail = f"the arguments of tool {name!r} are no JSON"
        raise ProviderError(provider, "model", "failed", detail) from error
    if not isinstance(decoded, dict):
        raise ProviderError(provider, "model", "failed", f"the arguments of tool {name!r} are no JSON object")
    return ToolCallRequest(call_id, name, decoded)


def _usage(answer: ChatCompletionChunk | ChatCompletion) -> Usage:
    assert answer.usage is not None
    details = answer.usage.prompt_tokens_details
    cached = (details.cached_tokens or 0) if details is not None else 0
    return Usage(answer.usage.prompt_tokens, answer.usage.completion_tokens, cached)


def _provider_error(provider: str, error: openai.OpenAIError) -> ProviderError:
    """The category a policy acts on. Details name status and code only: vendors' messages quote keys and prompts."""
    category: Category
    if isinstance(error, openai.APITimeoutError):
        category, detail = "timeout", "the connection timed out"
    elif isinstance(error, openai.APIStatusError):
        status = error.status_code
        category = _STATUS.get(status, "server" if status >= 500 else "bad-request")
        detail = f"HTTP {status}" + (f", {error.code}" if error.code else "")
    elif isinstance(error, openai.APIConnectionError):
        category, detail = "failed", "the connection failed or broke off"
    elif isinstance(error, openai.APIError):
        category, detail = "server", f"an error within the stream{f', {error.code}' if error.code else ''}"
    else:
        category, detail = "failed", type(error).__name__
    return ProviderError(provider, "model", category, detail)
