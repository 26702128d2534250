"""One call in this process from its claim until everything about it is recorded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack
from time import monotonic

from domain.aggregate import Refused
from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, EndCall
from domain.call.state import Call, Deleted, KeptCall
from domain.egress import EgressPolicy
from domain.live_calls import CallRejected, CallSocket
from domain.log.ports import Clock, Commands, LogUnavailable
from media.call.admission import TRY_LATER
from media.call.aftermath import Aftermath
from media.call.assembly import Connection, assemble, open_recording, open_session
from media.call.assistant_question import Answered, answered, blamed
from media.call.call_clock import CallClock
from media.call.last_report import tell_report
from media.call.parts import Parts
from media.call.providers import providers_of
from media.call.session import CallSession
from media.call.start import EarlyWarnings, StartRefused, choose_assistant, earlier_messages, prepare
from media.call.start_line import StartLine
from media.call.tenancy import tenancy_of
from media.call.workshop import Workshop
from media.egress.client import GuardedTransport, guarded_client
from media.providers.vendors import load_for
from media.tools.mcp_tools import McpServers

_log = logging.getLogger(__name__)

POLICY = 1008
SERVER_ERROR = 1011
"""WebSocket close codes (RFC 6455, section 7.4.1)."""


class Reception:
    """``owner`` and ``address`` are what claims say; a session runs inside the context that ``running`` makes of it."""

    def __init__(
        self,
        commands: Commands,
        workshop: Workshop,
        aftermath: Aftermath,
        egress: EgressPolicy,
        clock: Clock,
        start_line: StartLine,
        *,
        owner: str,
        address: str,
        running: Callable[[CallSession], AbstractContextManager[None]],
    ) -> None:
        self._commands = commands
        self._workshop = workshop
        self._aftermath = aftermath
        self._egress = egress
        self._clock = clock
        self._owner = owner
        self._address = address
        self._running = running
        self._start_line = start_line

    async def hold(self, call_id: str, socket: CallSocket) -> None:
        """Claim the call, hold its conversation, and store what is to be kept of it. Raises ``CallRejected``."""
        opened_s = monotonic()
        with self._start_line.coming():
            call = await self._claim(call_id)
        # The log answers all claims of a commit at the same instant.
        await self._workshop.turnstile.passed()
        clock = CallClock(self._clock())
        opened_ms = clock.now_ms() - (monotonic() - opened_s) * 1000
        warnings = EarlyWarnings()
        settings = self._workshop.settings
        async with AsyncExitStack() as open_for_it:
            client = await open_for_it.enter_async_context(
                guarded_client(self._egress, timeout_s=settings.tool_timeout_s)
            )
            tenancy = tenancy_of(call, clock, self._workshop.documents, self._workshop.tenants, client, warnings.warn)
            mcp = McpServers(
                lambda: GuardedTransport(self._egress),
                headers={"x-call-id": call_id, **_session_header(call)},
                warn=warnings.warn,
                servers=tenancy.servers,
                timeout_s=settings.tool_timeout_s,
                result_cap=settings.tool_result_cap,
            )
            await open_for_it.enter_async_context(mcp)
            connection = Connection(
                socket=socket,
                client=client,
                mcp=mcp,
                tenancy=tenancy,
                providers=providers_of(self._workshop.providers, tenancy.tenant),
                opened_ms=opened_ms,
            )
            try:
                who = await answered(call, tenancy)
                session, parts = await self._begun(who, clock, connection)
            except StartRefused as refused:
                tenancy.tenant.release()
                await self._refuse(call_id, refused, socket)
                raise CallRejected(SERVER_ERROR, refused.reason) from refused
            warnings.pass_to(session.warned)
            if who.last_words is not None:
                # Right after the conversation has begun.
                asyncio.get_running_loop().call_soon(session.feed, who.last_words)
            try:
                async with tenancy.live.sending():
                    with self._running(session):
                        await session.run(parts)
            finally:
                tenancy.tenant.release()
                stored = await self._aftermath.settle(session.chronicle, parts.recording, clock.wall_time)
                await self._workshop.outbox.fragments.flush()
                await session.chronicle.journal.flushed()
                await self._aftermath.let_go(stored)
                await tell_report(who.call, session.chronicle, tenancy, self._workshop.tenants.posts)
                await session.chronicle.journal.flushed()

    async def _claim(self, call_id: str) -> KeptCall:
        settings = self._workshop.settings
        command = ClaimCall(owner=self._owner, lease_seconds=settings.lease_s, address=self._address)
        try:
            state, _ = await self._commands.execute(CALL, call_id, command)
        except Refused as refused:
            raise CallRejected(POLICY, str(refused)) from refused
        except LogUnavailable as unavailable:
            raise CallRejected(TRY_LATER, "the log does not take events now; try again later") from unavailable
        claimed: Call = state
        if isinstance(claimed, Deleted):
            raise CallRejected(POLICY, "the call does not exist")
        return claimed

    async def _begun(self, who: Answered, clock: CallClock, connection: Connection) -> tuple[CallSession, Parts]:
        """Raises ``StartRefused``."""
        try:
            return await self._begin(who.call, clock, connection)
        except StartRefused as refused:
            raise blamed(refused, who) from refused

    async def _begin(self, call: KeptCall, clock: CallClock, connection: Connection) -> tuple[CallSession, Parts]:
        """Calls begin one after the other, one step in each turn of the loop, so that calls that run wait for a step at
        most; none waits for the servers that another's tools are listed by, for its session, or for its file.

        Raises ``StartRefused``.
        """
        async with self._start_line.turn():
            chosen = choose_assistant(call, clock, self._workshop)
            await asyncio.sleep(0)
            await load_for(chosen.resolved.config)
        if chosen.waits_for_servers:
            chosen = await chosen.expanded(connection.mcp)
        earlier = await earlier_messages(call, self._workshop)
        async with self._start_line.turn():
            prepared = prepare(
                call,
                chosen,
                clock,
                self._workshop,
                connection.providers,
                earlier=earlier,
                server_available=connection.tenancy.fallback is not None,
            )
            await asyncio.sleep(0)
            started_ms = clock.now_ms()
            session = open_session(call, clock, prepared, self._workshop, connection, started_ms=started_ms)
            await asyncio.sleep(0)
        with self._start_line.coming():
            recording = await open_recording(session, prepared, self._workshop, started_ms=started_ms)
        async with self._start_line.turn():
            parts = assemble(session, prepared, self._workshop, connection, recording)
            await asyncio.sleep(0)
        return session, parts

    async def _refuse(self, call_id: str, refused: StartRefused, socket: CallSocket) -> None:
        _log.warning("call.refused", extra={"call_id": call_id, "reason": refused.reason})
        await self._commands.execute(CALL, call_id, EndCall(reason=refused.reason, message=refused.message))
        await socket.send_text(f'{{"type":"status-update","status":"ended","endedReason":"{refused.reason}"}}')


def _session_header(call: KeptCall) -> dict[str, str]:
    session_id = call.identity.request.get("sessionId")
    return {"x-session-id": session_id} if isinstance(session_id, str) else {}
