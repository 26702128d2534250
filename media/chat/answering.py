"""Answering one request: ask the model, run the tools that it calls, and ask again, until it has written its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from msgspec.structs import replace

from domain.chat.events import (
    AssistantActivated,
    Fact,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    UsageMetered,
    Warned,
)
from domain.chat.handed_over import Heard, left_by
from domain.chat.messages import NO_RESULT, Message, for_model, output_messages
from domain.chat.state import Entry, HandedOver, ToolBroke, ToolRequested, ToolReturned
from domain.chat.state import Said as SaidEntry
from domain.chats import ChatText
from domain.overrides import apply_overrides
from media.call.casting import CastingFailed
from media.call.model_runner import ModelRunner
from media.chat.cast import Actor, Casting, Stage
from media.chat.settings import ChatSettings
from media.chat.tools import AskedOfClient, ChatTools, HandsOver, Settled, Spawn
from media.machine.destinations import besides_destination
from media.machine.inputs import Input, ModelCalledTools, ModelFailed, ModelFinished, ModelText, RequestedTool
from media.machine.rejection import Said, Situation
from media.providers.ended_reason import ended_reason
from media.tools.knowledge_question import KnowledgeQuestions
from media.tools.outcome import Answered, Failed


class ChatBroken(Exception):
    """There will be no answer, or no more of it. ``reason`` is one word for programs."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class _Answer:
    """What one question to the model brought."""

    text: str = ""
    calls: tuple[RequestedTool, ...] = ()
    usage: ModelFinished | None = None


class Answering:
    """One chat while it is answered: by who is on ``stage``, and by those whom the word is handed to.

    ``casting`` gets those ready, ``questions`` ask their own knowledge bases, ``record`` takes what happens, ``write``
    what is written, as it is written.
    """

    def __init__(
        self,
        stage: Stage,
        casting: Casting,
        settings: ChatSettings,
        tools: ChatTools,
        questions: KnowledgeQuestions,
        variables: dict[str, Any],
        *,
        price_table: str,
        now_ms: Callable[[], float],
        record: Callable[[Fact], None],
        write: Callable[[ChatText], None],
    ) -> None:
        self._stage = stage
        self._casting = casting
        self._settings = settings
        self._tools = tools
        self._questions = questions
        self._variables = variables
        self._price_table = price_table
        self._now_ms = now_ms
        self._record = record
        self._write = write
        self._heard = Heard()
        self._entries: list[Entry] = []
        self._written_before = 0
        self._seen: set[str] = set()
        self._inputs: asyncio.Queue[Input] = asyncio.Queue()

    async def run(self, heard: Heard, asked: Sequence[Message]) -> None:
        """Answer ``asked``, which follows what was ``heard``. Raises ``ChatBroken``; what happened until then was
        recorded."""
        self._heard = heard.followed_by(asked)
        self._seen = {str(call.get("id")) for said in self._heard.messages for call in said.get("tool_calls") or ()}
        broken: ChatBroken | None = None
        async with asyncio.TaskGroup() as tasks:
            # A task group would wrap what is raised inside it.
            try:
                await self._turns(tasks)
            except ChatBroken as fault:
                broken = fault
        if broken is not None:
            raise broken

    def warn(self, code: str, detail: str) -> None:
        """Record something a person should know."""
        self._record(Warned(code=code, detail=detail, at_ms=self._now_ms()))

    async def _turns(self, tasks: asyncio.TaskGroup) -> None:
        runner, actor = self._runner(tasks), self._stage.present
        for turn in range(1, self._settings.most_turns + 1):
            if not await self._turn(runner, turn, lambda coroutine, name: tasks.create_task(coroutine, name=name)):
                return
            if actor is not self._stage.present:
                runner, actor = self._runner(tasks), self._stage.present
        raise ChatBroken("tool-loop", f"The model called tools {self._settings.most_turns} times in a row.")

    def _runner(self, tasks: asyncio.TaskGroup) -> ModelRunner:
        plan = self._stage.present.plan
        return ModelRunner(
            plan.models,
            plan.request,
            self._inputs.put_nowait,
            _Spawning(tasks),
            ended_reason=ended_reason,
            first_token_s=self._settings.model_first_token_s,
            idle_s=self._settings.model_idle_s,
            warn=self.warn,
            inform=partial(self._questions.informed, plan.assistant),
        )

    async def _turn(self, runner: ModelRunner, turn: int, spawn: Spawn) -> bool:
        """Ask once and run what is called; whether a model is to be asked again."""
        plan = self._stage.present.plan
        now = datetime.fromtimestamp((plan.epoch_ms + self._now_ms()) / 1000, UTC)
        conversation = [*plan.prompt_with(self._variables, now), *self._so_far()]
        runner.start(turn, tuple(for_model(conversation)))
        answer = await self._read(runner, turn)
        if answer.text:
            self._keep(MessageCommitted(text=answer.text, turn=turn, at_ms=self._now_ms()))
        if not answer.calls:
            if not answer.text:
                self.warn("empty-answer", "The model answered without text or tool call.")
            return False
        calls = [self._called(call, turn, number) for number, call in enumerate(answer.calls)]
        outcomes = await self._tools.run(calls, self._situation(conversation), spawn)
        for call in calls:
            self._settle(call, outcomes[call.id])
        for call in calls:
            # At most one leads on; it comes last, so that the next assistant finds every other call answered.
            if isinstance(leads := outcomes[call.id], HandsOver):
                await self._hand_over(call, leads, conversation)
                return True
        if any(self._tools.ends_chat(call, outcomes[call.id]) for call in calls):
            self._say_goodbye(turn)
            return False
        return not any(isinstance(outcome, AskedOfClient) for outcome in outcomes.values())

    def _so_far(self) -> list[Message]:
        """What the present assistant knows of the conversation."""
        return [*self._heard.messages, *output_messages(self._entries[self._written_before :])]

    async def _hand_over(self, call: RequestedTool, leads: HandsOver, conversation: Sequence[Message]) -> None:
        """Give the word to whom the call leads, or tell the model that it cannot be."""
        before, told = self._stage.present, besides_destination(call.arguments)
        try:
            following = await self._casting.next(before, leads.destination, told, self._variables, conversation)
        except CastingFailed as failed:
            self.warn("handoff-failed", failed.message)
            self._settle(call, Failed("error", "The conversation cannot be handed there now."))
            return
        actor = following.actor
        name = str(actor.plan.assistant.get("name") or leads.destination.key)
        self._settle(call, Answered(leads.result or f"The conversation was handed to {name}."))
        if following.read.prompt_tokens or following.read.completion_tokens:
            self._meter(before, following.read.prompt_tokens, following.read.completion_tokens)
        context = leads.destination.context
        self._heard = left_by(Heard(tuple(self._so_far()), self._heard.took_over), context)
        activated = AssistantActivated(
            tool_call_id=call.id,
            name=name,
            assistant=apply_overrides(actor.role.config, actor.role.layers),
            context=context.type,
            max_messages=context.max_messages,
            at_ms=self._now_ms(),
            assistant_id=actor.role.assistant_id,
            assistant_version=actor.role.version,
        )
        self._entries.append(HandedOver(activated))
        self._written_before = len(self._entries)
        self._record(activated)
        self._variables.update(following.variables)
        self._stage.present = actor
        self._tools.use(actor.plan)

    async def _read(self, runner: ModelRunner, turn: int) -> _Answer:
        answer, item = _Answer(), len(output_messages(self._entries))
        try:
            while True:
                match await self._inputs.get():
                    case ModelText(text=text):
                        answer.text += text
                        self._write(ChatText(item, text))
                    case ModelCalledTools(calls=calls):
                        answer.calls = calls
                    case ModelFinished() as finished:
                        used = (finished.prompt_tokens, finished.completion_tokens, finished.cached_prompt_tokens)
                        self._meter(self._stage.present, *used, turn=turn)
                        return answer
                    case ModelFailed(ended_reason=reason):
                        raise ChatBroken(reason, "The model did not answer.")
        except (ChatBroken, asyncio.CancelledError):
            runner.abort(turn)
            if answer.text:
                self._keep(MessageCommitted(text=answer.text, turn=turn, at_ms=self._now_ms()))
            raise

    def _called(self, call: RequestedTool, turn: int, number: int) -> RequestedTool:
        """The call under an id that the conversation has not seen: some models number each answer's calls from 0."""
        call_id, again = call.id or "call", 0
        while call_id in self._seen:
            again += 1
            call_id = f"{call.id or 'call'}-{turn}-{number}" + (f"-{again}" if again > 1 else "")
        self._seen.add(call_id)
        tool = self._stage.present.plan.tools.get(call.name)
        self._keep(
            ToolCalled(
                tool_call_id=call_id,
                name=call.name,
                kind=tool.type if tool else "unknown",
                arguments=call.arguments,
                turn=turn,
                at_ms=self._now_ms(),
            )
        )
        return replace(call, id=call_id)

    def _settle(self, call: RequestedTool, outcome: Settled) -> None:
        match outcome:
            case Answered(result=result):
                text = result or NO_RESULT
                self._keep(ToolCompleted(tool_call_id=call.id, name=call.name, result=text, at_ms=self._now_ms()))
            case Failed(failure=failure, error=error):
                self._keep(
                    ToolFailed(tool_call_id=call.id, name=call.name, failure=failure, error=error, at_ms=self._now_ms())
                )
            case AskedOfClient() | HandsOver():
                pass

    def _say_goodbye(self, turn: int) -> None:
        text = self._stage.present.plan.end_message
        if text:
            self._write(ChatText(len(output_messages(self._entries)), text))
            self._keep(MessageCommitted(text=text, turn=turn + 1, at_ms=self._now_ms(), source="end-message"))

    def _meter(self, actor: Actor, prompt: int, completion: int, cached: int = 0, turn: int | None = None) -> None:
        quantities = {
            "promptTokens": float(prompt),
            "completionTokens": float(completion),
            "cachedPromptTokens": float(cached),
        }
        self._record(
            UsageMetered(
                meter="model",
                provider=actor.plan.provider,
                model=actor.plan.model,
                quantities=quantities,
                price_table=self._price_table,
                config=actor.plan.shown,
                turn=turn,
            )
        )

    def _situation(self, messages: Sequence[Message]) -> Situation:
        said = [
            Said(message["role"], message["content"] or "")
            for message in messages
            if message["role"] in ("user", "assistant")
        ]
        return Situation(
            messages=said, variables=self._variables, now_ms=self._stage.present.plan.epoch_ms + self._now_ms()
        )

    def _keep(self, fact: MessageCommitted | ToolCalled | ToolCompleted | ToolFailed) -> None:
        match fact:
            case MessageCommitted():
                self._entries.append(SaidEntry(fact))
            case ToolCalled():
                self._entries.append(ToolRequested(fact))
            case ToolCompleted():
                self._entries.append(ToolReturned(fact))
            case ToolFailed():
                self._entries.append(ToolBroke(fact))
        self._record(fact)


class _Spawning:
    """A task group, as the model's runner uses one."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    def spawn(self, coroutine: Any, name: str) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._tasks.create_task(coroutine, name=name)
        return task
