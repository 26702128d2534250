"""One streamed chat completion through the OpenAI SDK, as facts of the language-model protocol.

Shared by every provider that speaks the chat-completions protocol. The answer is normally server-sent events with
``chat.completion.chunk`` objects; a server that ignores ``stream`` and answers with one JSON object is understood too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import ValidationError

from domain.egress import EgressBlocked
from domain.foreign_json import UnreadableJson, ends_in_half_a_character, joined_surrogates, read_json
from media.egress.client import HttpError, sendable
from media.providers.errors import Category, ProviderError, Stage, category_of_status, retry_after_s
from media.providers.language_model import ModelFact, TextDelta, ToolCallRequest, Usage

_EVENT_STREAM = "text/event-stream"
_JSON = "application/json"

_LONGEST_TOKEN: Final = 16
"""Characters. An answer longer than this many for each token it was allowed ignores its limit and is cut."""
_LEAST_LIMIT: Final = 2_000
_MOST_CALLS: Final = 256
"""Tool calls of one answer that are read. More than a conversation makes, so that a model which asks for too many is
told so as it is told of every refusal."""
_LONGEST_ARGUMENTS: Final = 1 << 18
"""Characters of the arguments of all tool calls of one answer. The call at which they are cut cannot be read."""
_MOST_CHUNKS: Final = 200_000
_MOST_TOKENS: Final = 10**9


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
    headers: Mapping[str, str | openai.Omit],
    first_token_s: float,
) -> AsyncGenerator[ModelFact, None]:
    """Send ``body`` (a chat-completions request without ``stream``) and yield what comes back.

    ``first_token_s`` bounds the time to the first piece of the answer. Raises ``ProviderError``; closing the generator
    closes the connection, which is how the server learns that nobody listens any more."""
    options = {name: body[name] for name in body if name not in ("model", "messages")}
    tokens = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    longest = max(_LEAST_LIMIT, int(tokens) * _LONGEST_TOKEN)
    try:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(first_token_s):
                response = await stack.enter_async_context(
                    client.chat.completions.with_streaming_response.create(
                        model=body["model"],
                        messages=body["messages"],
                        stream=True,
                        extra_body=options,
                        extra_headers=_sendable(headers),
                    )
                )
                content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                if content_type == _JSON:
                    facts = _whole(provider, ChatCompletion.model_validate_json(await response.read()), longest)
                elif content_type == _EVENT_STREAM:
                    facts = _pieces(provider, aiter(await response.parse()), longest)
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
        raise failure_of(provider, error) from error
    except HttpError as error:
        # The body of an answer that is not a stream is read past the SDK's own error handling.
        detail = f"the answer broke off or is too long ({type(error).__name__})"
        raise ProviderError(provider, "model", "failed", detail) from error
    except (ValidationError, ValueError, AttributeError, TypeError, RecursionError) as error:
        # The SDK builds chunks without validating them: an object of another shape shows only when it is read.
        detail = f"an answer that is no chat completion ({type(error).__name__})"
        raise ProviderError(provider, "model", "failed", detail) from error


def _sendable(headers: Mapping[str, str | openai.Omit]) -> dict[str, Any]:
    """The SDK encodes no text outside ASCII."""
    texts = {name: value for name, value in headers.items() if isinstance(value, str)}
    return {**headers, **sendable(texts)}


async def _pieces(
    provider: str, chunks: AsyncIterator[ChatCompletionChunk], longest: int
) -> AsyncGenerator[ModelFact, None]:
    calls: dict[int, _PartialCall] = {}
    usage: Usage | None = None
    written = arguments = seen = 0
    half = ""
    finished = False
    async for chunk in chunks:
        seen += 1
        if chunk.usage is not None:
            usage = _usage(chunk)
        for choice in chunk.choices or ():
            finished = finished or choice.finish_reason is not None
            delta = choice.delta
            if text := half + _text(delta.content):
                half = text[-1] if ends_in_half_a_character(text) else ""
                text = joined_surrogates(text.removesuffix(half))
                written += len(text)
                if text:
                    yield TextDelta(text)
            for piece in delta.tool_calls or ():
                too_many = piece.index not in calls and len(calls) >= _MOST_CALLS
                call = _PartialCall() if too_many else calls.setdefault(piece.index, _PartialCall())
                call.id = _text(piece.id) or call.id
                if piece.function is not None:
                    call.name = _text(piece.function.name) or call.name
                    call.arguments.append(_text(piece.function.arguments))
                    arguments += len(call.arguments[-1])
            if delta.function_call is not None:
                call = calls.setdefault(-1, _PartialCall(id="call_0"))
                call.name = _text(delta.function_call.name) or call.name
                call.arguments.append(_text(delta.function_call.arguments))
                arguments += len(call.arguments[-1])
        if written > longest or arguments > _LONGEST_ARGUMENTS or seen > _MOST_CHUNKS:
            finished = True
            break
    if not finished:
        raise ProviderError(provider, "model", "failed", "the answer broke off before its end")
    for index in sorted(calls):
        call = calls[index]
        yield tool_call(call.id or f"call_{index}", call.name, "".join(call.arguments))
    yield usage or Usage(0, -(-written // 4), estimated=True)


async def _whole(provider: str, completion: ChatCompletion, longest: int) -> AsyncGenerator[ModelFact, None]:
    if not completion.choices:
        raise ProviderError(provider, "model", "failed", "an answer without choices")
    message = completion.choices[0].message
    text = joined_surrogates(message.content or "")[:longest]
    if text:
        yield TextDelta(text)
    for call in (message.tool_calls or ())[:_MOST_CALLS]:
        if call.type == "function":
            yield tool_call(call.id, call.function.name, call.function.arguments)
    if message.function_call is not None:
        yield tool_call("call_0", message.function_call.name, message.function_call.arguments)
    yield _usage(completion) if completion.usage else Usage(0, -(-len(text) // 4), estimated=True)


def tool_call(call_id: str, name: str, arguments: str) -> ToolCallRequest:
    """What cannot be read goes back to the model as the tool's answer: models often get it right the second time."""
    call_id, name = joined_surrogates(call_id), joined_surrogates(name)
    try:
        decoded = read_json(arguments or "{}")
    except UnreadableJson as error:
        return ToolCallRequest(call_id, name, {}, problem=f"The arguments cannot be read ({error}).")
    if not isinstance(decoded, dict):
        return ToolCallRequest(call_id, name, {}, problem="The arguments are not a JSON object.")
    return ToolCallRequest(call_id, name, decoded)


def _text(value: object) -> str:
    """Chunks are not validated by the SDK. Raises ``TypeError`` for what is no text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text belongs")
    return value


def _usage(answer: ChatCompletionChunk | ChatCompletion) -> Usage:
    assert answer.usage is not None
    details = answer.usage.prompt_tokens_details
    cached = _count(details.cached_tokens) if details is not None else 0
    return Usage(_count(answer.usage.prompt_tokens), _count(answer.usage.completion_tokens), cached)


def _count(value: object) -> int:
    """A plausible number of tokens, whatever the server reports."""
    return min(max(value, 0), _MOST_TOKENS) if isinstance(value, int) else 0


def failure_of(provider: str, error: openai.OpenAIError, stage: Stage = "model") -> ProviderError:
    """The category a policy acts on. Details name status and code only: vendors' messages quote keys and prompts."""
    category: Category
    wait_s: float | None = None
    if isinstance(error, openai.APITimeoutError):
        category, detail = "timeout", "the connection timed out"
    elif isinstance(error, openai.APIStatusError):
        status = error.status_code
        category = category_of_status(status)
        wait_s = retry_after_s(error.response.headers)
        detail = f"HTTP {status}" + (f", {error.code}" if error.code else "")
    elif isinstance(error, openai.APIConnectionError):
        category, detail = "failed", "the connection failed or broke off"
    elif isinstance(error, openai.APIError):
        category, detail = "server", f"an error within the stream{f', {error.code}' if error.code else ''}"
    else:
        category, detail = "failed", type(error).__name__
    return ProviderError(provider, stage, category, detail, retry_after_s=wait_s)
