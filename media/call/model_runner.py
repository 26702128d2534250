"""Streams the language model's answers into the machine, with time-outs, fallback models and cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

from media.call.second_chance import second_chance_s
from media.machine.inputs import Input, ModelCalledTools, ModelFailed, ModelFinished, ModelText, RequestedTool
from media.providers.errors import ProviderError
from media.providers.language_model import LanguageModel, ModelFact, ModelRequest, TextDelta, ToolCallRequest, Usage
from media.tools.knowledge_question import Spoken


class CallTasks(Protocol):
    """The call's task group, as the runners use it."""

    def spawn(self, coroutine: Any, name: str) -> asyncio.Task[None]: ...


Inform = Callable[[Sequence[Mapping[str, Any]]], Awaitable[Sequence[Mapping[str, Any]] | Spoken]]
"""What the model is to know besides, before it is asked; or what is said in its place."""


class ModelRunner:
    """One call's requests to its models. ``models`` are the configured one and its fallbacks, in order.

    ``request`` holds what is the same for every request of the call (tools, temperature, context); ``inform`` is asked
    before each of them.
    """

    def __init__(
        self,
        models: Sequence[LanguageModel],
        request: ModelRequest,
        feed: Callable[[Input], None],
        tasks: CallTasks,
        *,
        ended_reason: Callable[[ProviderError], str],
        first_token_s: float,
        idle_s: float,
        warn: Callable[[str, str], None],
        inform: Inform | None = None,
    ) -> None:
        self._models = models
        self._inform = inform
        self._request = request
        self._feed = feed
        self._tasks = tasks
        self._ended_reason = ended_reason
        self._first_token_s = first_token_s
        self._idle_s = idle_s
        self._warn = warn
        self._running: dict[int, asyncio.Task[None]] = {}
        self._pauses: dict[int, float] = {}
        """Until when a model, by its ``id``, has asked to be left alone."""

    def use(self, models: Sequence[LanguageModel], request: ModelRequest) -> None:
        """From the next request on ask these models."""
        self._models = models
        self._request = request
        self._pauses.clear()

    def start(self, request_id: int, messages: tuple[Mapping[str, Any], ...]) -> None:
        """Ask the model; its facts come as inputs that carry ``request_id``."""
        task = self._tasks.spawn(self._run(request_id, tuple(dict(message) for message in messages)), "model")
        self._running[request_id] = task
        task.add_done_callback(lambda _: self._running.pop(request_id, None))

    def abort(self, request_id: int) -> None:
        """Cancel the request at the provider; nothing more comes of it."""
        task = self._running.pop(request_id, None)
        if task is not None:
            task.cancel()

    async def _run(self, request_id: int, messages: tuple[dict[str, Any], ...]) -> None:
        informed = messages if self._inform is None else await self._inform(messages)
        if isinstance(informed, Spoken):
            self._feed(ModelText(request_id=request_id, text=informed.text))
            self._feed(ModelFinished(request_id=request_id))
            return
        await self._ask(request_id, tuple(dict(message) for message in informed))

    async def _ask(self, request_id: int, messages: tuple[dict[str, Any], ...]) -> None:
        said: list[str] = []
        failure: ProviderError | None = None
        models = self._ready()
        for model in models:
            if failure is not None:
                self._warn("model-fallback", f"{failure}; asking {model.provider} {model.model}")
            failure = await self._attempt(model, request_id, messages, said)
            if failure is None:
                return
        assert failure is not None
        if (wait_s := second_chance_s(failure)) is not None:
            self._warn("model-asked-again", f"{failure}; asking again after {wait_s:g} s, as it says")
            await asyncio.sleep(wait_s)
            failure = await self._attempt(models[-1], request_id, messages, said)
            if failure is None:
                return
        self._feed(ModelFailed(request_id=request_id, ended_reason=self._ended_reason(failure)))

    def _ready(self) -> Sequence[LanguageModel]:
        """The models in their order, but for those whose pause is not over; all where that would leave none."""
        now_s = asyncio.get_running_loop().time()
        return [model for model in self._models if self._pauses.get(id(model), 0.0) <= now_s] or self._models

    async def _attempt(
        self, model: LanguageModel, request_id: int, messages: tuple[dict[str, Any], ...], said: list[str]
    ) -> ProviderError | None:
        # What was said already cannot be unsaid: the next model goes on from there.
        prefix = ({"role": "assistant", "content": "".join(said)},) if said else ()
        try:
            await self._stream(model, request_id, (*messages, *prefix), said)
        except ProviderError as failure:
            if failure.retry_after_s is not None:
                self._pauses[id(model)] = asyncio.get_running_loop().time() + failure.retry_after_s
            return failure
        return None

    async def _stream(
        self, model: LanguageModel, request_id: int, messages: tuple[dict[str, Any], ...], said: list[str]
    ) -> None:
        calls: list[RequestedTool] = []
        usage = Usage(0, 0)
        request = replace(self._request, messages=messages)
        async with aclosing(model.stream(request)) as facts:
            limit_s = request.first_token_s or self._first_token_s
            while (fact := await self._next(model, facts, limit_s)) is not None:
                limit_s = self._idle_s
                match fact:
                    case TextDelta(text=text):
                        if text:
                            said.append(text)
                            self._feed(ModelText(request_id=request_id, text=text))
                    case ToolCallRequest(id=call_id, name=name, arguments=arguments, problem=problem):
                        calls.append(RequestedTool(call_id, name, arguments, problem))
                    case Usage():
                        usage = fact
        if calls:
            self._feed(ModelCalledTools(request_id=request_id, calls=tuple(calls)))
        self._feed(
            ModelFinished(
                request_id=request_id,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cached_prompt_tokens=usage.cached_prompt_tokens,
            )
        )

    async def _next(
        self, model: LanguageModel, facts: AsyncGenerator[ModelFact, None], limit_s: float
    ) -> ModelFact | None:
        try:
            async with asyncio.timeout(limit_s):
                return await anext(facts, None)
        except TimeoutError as error:
            raise ProviderError(model.provider, "model", "timeout", f"nothing for {limit_s:g} s") from error
