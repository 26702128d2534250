"""Holds conversations in writing: prepares them, has them answered, and records each in one commit at its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from domain.aggregate import Refused
from domain.call.resolution import Resolved
from domain.chat.aggregate import CHAT
from domain.chat.commands import KeepChat
from domain.chat.events import ChatCompleted, ChatFailed, Fact, UsageMetered, Warned
from domain.chat.handed_over import heard_of
from domain.chat.messages import shown_messages
from domain.chats import ChatOrder, ChatOver, ChatText, TooManyChats
from domain.egress import EgressPolicy
from domain.knowledge.search import Knowledge
from domain.log.ports import Appended, Clock, Commands, Documents, EventLog, Step
from domain.server_messages.access import InlineAccess, ServerAccess
from domain.server_messages.server import read_server
from domain.session.aggregate import CONVERSATIONS, JoinConversation
from domain.wire_time import epoch_ms
from domain.write_only import without_secrets
from media.call.call_clock import CallClock
from media.call.settings import MediaSettings
from media.call.stagehands import Toolbox, tool_bench
from media.call.tenancy import KeysOfOrganizations, no_keys, organization_settings
from media.chat.answering import Answering, ChatBroken
from media.chat.cast import Casting, Planned, Stage
from media.chat.plan import ChatPlan, Models, plan_chat
from media.chat.preparing import Prepared, Preparing
from media.chat.settings import ChatSettings
from media.chat.tools import ChatTools
from media.egress.client import GuardedTransport, HttpClient
from media.providers.tenant import ServesTenants, Tenant
from media.providers.vendors import load_for
from media.tools.destination_question import DestinationQuestions
from media.tools.knowledge_question import KnowledgeQuestions
from media.tools.mcp_tools import McpServers
from media.tools.tenant_servers import TenantServers

LOGGER: Final = logging.getLogger("callfold.chat")

_UNFORESEEN: Final = "internal-error"

Work = Callable[[Callable[[ChatText], None]], Coroutine[Any, Any, ChatOver]]
"""Answers a chat, telling what is written as it is written, and records it."""


class RunningChat:
    """Implements ``HeldChat``: what is written goes through a queue, so that nobody has to listen."""

    def __init__(self, began_at: datetime, work: Work) -> None:
        self.began_at = began_at
        self._texts: asyncio.Queue[ChatText | None] = asyncio.Queue()
        self.task: asyncio.Task[ChatOver] = asyncio.create_task(self._run(work), name="chat")

    async def texts(self) -> AsyncIterator[ChatText]:
        """What is written, until the answer is over."""
        while (text := await self._texts.get()) is not None:
            yield text

    async def over(self) -> ChatOver:
        """The chat as it was recorded. A caller who is cancelled leaves the chat to go on."""
        return await asyncio.shield(self.task)

    async def _run(self, work: Work) -> ChatOver:
        try:
            return await work(self._texts.put_nowait)
        finally:
            self._texts.put_nowait(None)


class ChatTier:
    """Implements ``Chats`` for one process. ``client`` makes requests to tool servers and must be guarded as ``egress``
    says; ``knowledge`` is what query tools search, ``code_program`` runs code tools where that is switched on;
    ``access`` authenticates us at tenants' servers, ``keys`` are an organisation's own for the vendors of models.

    ``close`` waits for what is being answered; a process that dies leaves nothing of it on the log.
    """

    def __init__(
        self,
        *,
        commands: Commands,
        documents: Documents,
        log: EventLog,
        models: Models,
        client: HttpClient,
        egress: EgressPolicy,
        knowledge: Knowledge,
        settings: ChatSettings,
        clock: Clock,
        price_table: str,
        code_program: Path | None = None,
        access: ServerAccess | None = None,
        keys: KeysOfOrganizations = no_keys,
    ) -> None:
        self._commands = commands
        self._documents = documents
        self._access = access or InlineAccess()
        self._keys = keys
        self._egress = egress
        self._toolbox = Toolbox(
            knowledge=knowledge, code_program=code_program, code_at_once=asyncio.Semaphore(settings.code_at_once)
        )
        self._tool_settings = MediaSettings(
            tool_timeout_s=settings.tool_timeout_s, tool_result_cap=settings.tool_result_cap
        )
        self._models = models
        self._client = client
        self._settings = settings
        self._clock = clock
        self._price_table = price_table
        self._preparing = Preparing(documents, log)
        self._running: set[asyncio.Task[ChatOver]] = set()
        self._coming = 0
        """Chats that are about to run."""

    async def hold(self, order: ChatOrder) -> RunningChat:
        """As ``Chats.hold``."""
        held = len(self._running) + self._coming
        if held >= self._settings.max_chats:
            raise TooManyChats(f"{held} chats are being answered")
        self._coming += 1
        try:
            return await self._begun(order)
        finally:
            self._coming -= 1

    async def _begun(self, order: ChatOrder) -> RunningChat:
        # What a chat goes on from may be a thousand chats: nobody waits until they are read.
        prepared = await asyncio.to_thread(self._preparing.prepare, order, self._clock())
        context = {
            "chat": {"id": order.chat_id},
            "customer": dict(prepared.customer),
            "metadata": prepared.resolved.config.get("metadata") or {},
        }

        tenant = self._tenant(order)
        models = self._models.of(tenant) if isinstance(self._models, ServesTenants) else self._models

        def planned(resolved: Resolved) -> ChatPlan:
            started = epoch_ms(prepared.created.started_at)
            return plan_chat(
                models,
                context,
                resolved=resolved,
                epoch_ms=started,
                server_available=tenant.servers.find() is not None,
            )

        await load_for(prepared.resolved.config)
        try:
            planned(prepared.resolved)  # what cannot be answered is refused before anything begins
        except BaseException:
            tenant.release()
            raise
        chat = RunningChat(
            prepared.created.started_at, lambda write: self._answer(order, prepared, planned, tenant, write)
        )
        self._running.add(chat.task)
        chat.task.add_done_callback(lambda _: tenant.release())
        chat.task.add_done_callback(self._settled)
        return chat

    def _tenant(self, order: ChatOrder) -> Tenant:
        servers = TenantServers(
            self._client,
            self._access,
            org_id=order.org_id,
            about=order.chat_id,
            now=self._clock,
            fallback=read_server(organization_settings(self._documents, order.org_id)),
        )
        return Tenant(servers, partial(self._keys, order.org_id))

    async def close(self) -> None:
        """Wait until every running chat is recorded; none of them takes longer than ``answer_within_s``."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def _settled(self, task: asyncio.Task[ChatOver]) -> None:
        self._running.discard(task)
        # Whoever asked may have gone; a failure that nobody waits for is still one.
        if not task.cancelled() and (fault := task.exception()) is not None:
            LOGGER.warning("chat.not_recorded reason=%s", type(fault).__name__)

    async def _answer(
        self,
        order: ChatOrder,
        prepared: Prepared,
        planned: Planned,
        tenant: Tenant,
        write: Callable[[ChatText], None],
    ) -> ChatOver:
        clock = CallClock(prepared.created.started_at)
        facts: list[Fact] = []

        def warn(code: str, detail: str) -> None:
            facts.append(Warned(code=code, detail=detail, at_ms=clock.now_ms()))

        for warning in prepared.resolved.warnings:
            warn(warning.code, f"{warning.field}: {warning.detail}" if warning.field else warning.detail)
        servers = McpServers(
            lambda: GuardedTransport(self._egress),
            headers={"x-chat-id": order.chat_id, **({"x-session-id": order.session_id} if order.session_id else {})},
            warn=warn,
            servers=tenant.servers,
            timeout_s=self._settings.tool_timeout_s,
            result_cap=self._settings.tool_result_cap,
        )
        async with servers:
            written = self._written(order, prepared, planned, servers, tenant, clock, facts, warn, write)
            end = await self._ended(written, clock)
        if isinstance(end, ChatCompleted):
            facts.append(self._fee())
        command = KeepChat(created=prepared.created, facts=tuple(facts), end=end)
        chat, appended = await self._keep(order, command)
        return ChatOver(chat, prepared.before, appended.position)

    async def _written(
        self,
        order: ChatOrder,
        prepared: Prepared,
        planned: Planned,
        servers: McpServers,
        tenant: Tenant,
        clock: CallClock,
        facts: list[Fact],
        warn: Callable[[str, str], None],
        write: Callable[[ChatText], None],
    ) -> None:
        casting = Casting(
            prepared.stored,
            prepared.facts,
            servers,
            planned,
            now=lambda: clock.wall_time(clock.now_ms()),
            warn=warn,
        )
        stage = Stage(await casting.first(prepared.role, prepared.resolved))
        bench = tool_bench(
            self._toolbox,
            self._client,
            servers,
            tenant.servers,
            org_id=order.org_id,
            assistant=lambda: stage.present.plan.assistant,
            snapshot=lambda: _snapshot(order, prepared, stage),
            now=lambda: clock.wall_time(clock.now_ms()),
            settings=self._tool_settings,
        )
        questions = DestinationQuestions(
            tenant.servers,
            lambda: stage.present.plan.assistant,
            snapshot=lambda: _snapshot(order, prepared, stage),
            timeout_s=self._settings.tool_timeout_s,
            warn=warn,
        )
        variables = dict(prepared.resolved.variable_values)
        answering = Answering(
            stage,
            casting,
            self._settings,
            ChatTools(stage.present.plan, bench, self._settings, variables, warn, questions.ask),
            KnowledgeQuestions(tenant.servers, snapshot=lambda: _snapshot(order, prepared, stage), warn=warn),
            variables,
            price_table=self._price_table,
            now_ms=clock.now_ms,
            record=facts.append,
            write=write,
        )
        await answering.run(heard_of(prepared.before), order.input)

    async def _ended(self, written: Coroutine[Any, Any, None], clock: CallClock) -> ChatCompleted | ChatFailed:
        try:
            async with asyncio.timeout(self._settings.answer_within_s):
                await written
        except ChatBroken as broken:
            return ChatFailed(reason=broken.reason, message=str(broken), at_ms=clock.now_ms())
        except TimeoutError:
            message = f"There was no whole answer within {self._settings.answer_within_s:g} seconds."
            return ChatFailed(reason="timeout", message=message, at_ms=clock.now_ms())
        except Refused as refused:
            return ChatFailed(reason="assistant-not-valid", message=str(refused), at_ms=clock.now_ms())
        except Exception as defect:
            LOGGER.exception("chat.failed reason=%s", type(defect).__name__)
            return ChatFailed(reason=_UNFORESEEN, message="The chat met a defect.", at_ms=clock.now_ms())
        return ChatCompleted(at_ms=clock.now_ms())

    async def _keep(self, order: ChatOrder, command: KeepChat) -> tuple[Any, Appended]:
        """One commit: the chat, and where it belongs to a session and was answered, its place there."""
        if order.session_id is None or isinstance(command.end, ChatFailed):
            return await self._commands.execute(CHAT, order.chat_id, command, commit_id=order.commit_id)
        joining = JoinConversation(
            org_id=order.org_id,
            kind="chat",
            conversation_id=order.chat_id,
            began_at=command.created.started_at,
        )
        steps = (Step(CHAT, order.chat_id, command), Step(CONVERSATIONS, order.session_id, joining))
        try:
            (chat, _), appended = await self._commands.execute_together(steps, commit_id=order.commit_id)
        except Refused as gone:
            if gone.field != "sessionId":
                raise
            # It was completed or deleted while the answer was written; that this was done stays on record.
            failed = ChatFailed(reason="session-over", message=gone.reason, at_ms=command.end.at_ms)
            alone = KeepChat(created=command.created, facts=command.facts, end=failed)
            return await self._commands.execute(CHAT, order.chat_id, alone, commit_id=order.commit_id)
        return chat, appended

    def _fee(self) -> UsageMetered:
        return UsageMetered(meter="chat", provider="vapi", quantities={"messages": 1.0}, price_table=self._price_table)


def _snapshot(order: ChatOrder, prepared: Prepared, stage: Stage) -> Mapping[str, Any]:
    """``chat``, ``assistant`` and ``artifact`` as a tool server sees them while the chat is being answered."""
    messages = [*shown_messages(prepared.before), *order.input]
    created = prepared.created
    chat: dict[str, Any] = {
        "id": order.chat_id,
        "orgId": order.org_id,
        "assistantId": created.assistant_id,
        "sessionId": created.session_id,
        "previousChatId": created.previous_chat_id,
        "name": created.name,
        "input": order.request.get("input"),
    }
    return {
        "chat": {name: value for name, value in chat.items() if value is not None},
        "assistant": without_secrets(stage.present.plan.assistant),
        "artifact": {"messages": messages, "variableValues": prepared.resolved.variable_values},
    }
