"""The media tier of one process: takes calls, runs them, and sees to it that everything about them is recorded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import httpx

from domain.aggregate import Refused
from domain.artifacts import ArtifactStore
from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, EndCall
from domain.call.state import Call, Deleted
from domain.egress import EgressPolicy
from domain.fragments import FragmentLog
from domain.knowledge.search import Knowledge, NoKnowledge
from domain.live_calls import CallNotLive, CallRejected, CallSocket
from domain.log.ports import Clock, Commands, Documents, EventLog, IdSource, LogUnavailable
from domain.pricing.tables import CURRENT_PRICE_TABLE
from media.audio.voice_activity import Detector, webrtc_detector
from media.call.aftermath import Aftermath
from media.call.call_clock import CallClock
from media.call.collector import CollectorPolicy
from media.call.conversation import MachineConversation
from media.call.leases import FileLeases, Leases, keep_alive
from media.call.outbox import Outbox
from media.call.parts import Conversation, Parts
from media.call.providers import Providers
from media.call.reaper import Reaper
from media.call.salvage import Salvage
from media.call.session import OVERLOAD_REASON, CallSession
from media.call.settings import MediaSettings
from media.call.stagehands import Toolbox
from media.call.start import (
    Chosen,
    EarlyWarnings,
    StartRefused,
    Workshop,
    assemble,
    choose_assistant,
    open_recording,
    open_session,
    prepare,
    warm_up,
)
from media.call.ticker import Ticker
from media.call.voice_runner import VoiceCache
from media.machine.inputs import ControlReceived, EndRequested, TransportClosed
from media.machine.plan import CallPlan
from media.providers.ended_reason import ended_reason
from media.tools.egress import GuardedTransport, guarded_client
from media.tools.mcp_tools import McpServers

_log = logging.getLogger(__name__)

SHUTDOWN_REASON = "worker-shutdown"
_TRY_LATER = 1013
_POLICY = 1008
_SERVER_ERROR = 1011
_RESTART = 1012


class MediaTier:
    """``LiveCalls`` of this process. Use it as an async context manager: inside it calls can be served.

    ``leases`` tells whose calls may be ended by the reaper; by default heartbeat files beside the live recordings.
    ``address`` is where other processes reach this one, as its claims say.
    ``log`` is where past versions of configurations are found, ``knowledge`` what query tools search, ``code_program``
    what runs code tools; without it they are refused.
    ``conversation`` and ``detector`` stand for the call machine and the voice detector of each call.
    """

    def __init__(
        self,
        *,
        commands: Commands,
        documents: Documents,
        fragments: FragmentLog,
        artifacts: ArtifactStore,
        providers: Providers,
        egress: EgressPolicy,
        settings: MediaSettings,
        clock: Clock,
        new_id: IdSource,
        leases: Leases | None = None,
        address: str = "",
        price_table: str = CURRENT_PRICE_TABLE,
        log: EventLog | None = None,
        knowledge: Knowledge | None = None,
        code_program: Path | None = None,
        conversation: Callable[[CallPlan], Conversation] = MachineConversation,
        detector: Callable[[], Detector] = webrtc_detector,
    ) -> None:
        settings.live_dir.mkdir(parents=True, exist_ok=True)
        self._commands = commands
        self._documents = documents
        self._egress = egress
        self._settings = settings
        self._clock = clock
        self._address = address
        self._leases = leases or FileLeases(settings.live_dir / "leases", settings.lease_s)
        self._recording_thread = ThreadPoolExecutor(1, "callfold-recordings")
        self._aftermath_threads = ThreadPoolExecutor(2, "callfold-aftermath")
        self._aftermath = Aftermath(artifacts, self._recording_thread, self._aftermath_threads, settings.live_dir)
        self._outbox = Outbox(commands, fragments, settings, new_id, overflowed=self._end_for_overflow)
        self._workshop = Workshop(
            documents=documents,
            log=log,
            providers=providers,
            toolbox=Toolbox(
                knowledge=knowledge or NoKnowledge(),
                code_program=code_program,
                code_at_once=asyncio.Semaphore(settings.code_at_once),
            ),
            ended_reason=ended_reason,
            conversation=conversation,
            detector=detector,
            outbox=self._outbox,
            voice_cache=VoiceCache(settings.voice_cache_bytes),
            files=self._recording_thread,
            settings=settings,
            price_table=price_table,
        )
        self._starting = asyncio.Lock()
        self._collector = CollectorPolicy()
        self._ticker = Ticker()
        self._live: dict[str, CallSession] = {}
        self._held: dict[str, asyncio.Task[CallRejected | None]] = {}
        """Calls from claim to the last recorded event; ``_live`` are those whose conversation runs."""
        self._opening: dict[str, asyncio.Event] = {}
        """Of every held call, set once its conversation has begun or it is clear that it will not."""
        self._draining = False
        self._group: asyncio.TaskGroup | None = None
        self._background: list[asyncio.Task[None]] = []
        self._sending: list[asyncio.Task[None]] = []
        """The tasks of the outbox: they end last."""
        salvage = Salvage(
            settings.live_dir,
            documents,
            self._leases,
            artifacts,
            self._aftermath_threads,
            clock,
            serving=self._held.keys,
            open_journal=self._outbox.journal,
        )
        self._reaper = Reaper(
            commands,
            documents,
            self._leases,
            serving=self._held.keys,
            salvage=salvage.look,
            left_behind=self._outbox.drain_left_behind,
            clock=clock,
            connect_within_s=settings.connect_within_s,
            every_s=settings.reap_every_s,
        )

    async def __aenter__(self) -> MediaTier:
        await asyncio.to_thread(self._leases.beat)
        await asyncio.to_thread(warm_up, self._workshop, self._egress, self._clock())
        self._group = await asyncio.TaskGroup().__aenter__()
        for name, work in (
            ("ticker", self._ticker.run()),
            ("lease", keep_alive(self._leases, self._settings.lease_s / 4)),
            ("reaper", self._reaper.run()),
        ):
            self._background.append(self._group.create_task(work, name=f"media-{name}"))
        for name, work in self._outbox.tasks():
            self._sending.append(self._group.create_task(work, name=f"media-{name}"))
        self._collector.started_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._group is not None
        await self.drain(self._settings.closing_grace_s * 2)
        # What is still there hangs: the first cancellation ends the conversation, the second the wait for the log.
        for _ in range(2):
            held = list(self._held.values())
            for task in held:
                task.cancel()
            if held:
                await asyncio.wait(held, timeout=self._settings.closing_grace_s)
        for task in self._background:
            task.cancel()
        await asyncio.wait(self._background)
        for executor in (self._aftermath_threads, self._recording_thread):
            await asyncio.to_thread(executor.shutdown)
        await self._outbox.leave()
        for task in self._sending:
            task.cancel()
        try:
            if isinstance(error, asyncio.CancelledError):
                await self._group.__aexit__(kind, error, traceback)
            else:
                # What went wrong in the block is the block's own; the group is for what went wrong in its tasks.
                await self._group.__aexit__(None, None, None)
        finally:
            self._group = None
            self._collector.restore()
            self._leases.release()
            await self._outbox.close()

    # LiveCalls.

    async def serve(self, call_id: str, socket: CallSocket) -> None:
        """Claim the call and hold its conversation until everything about it is recorded. Raises ``CallRejected``."""
        self._admit(call_id)
        assert self._group is not None
        task = self._group.create_task(self._hold(call_id, socket), name=f"call-{call_id}")
        self._held[call_id] = task
        self._opening[call_id] = asyncio.Event()
        task.add_done_callback(lambda _: self._let_go(call_id))
        try:
            rejected = await asyncio.shield(task)
        except asyncio.CancelledError:
            # The connection's task was cancelled, not the call: it ends as if the caller had gone, and is recorded.
            session = self._live.get(call_id)
            if session is not None:
                session.feed(TransportClosed())
            raise
        if rejected is not None:
            raise rejected

    async def listen(self, call_id: str, socket: CallSocket) -> None:
        """Stream the call's mono mix until the call or the listener ends. Raises ``CallNotLive``."""
        await (await self._session(call_id)).listen(socket)

    async def control(self, call_id: str, message: dict[str, Any]) -> None:
        """One live-control message. Raises ``CallNotLive``."""
        (await self._session(call_id)).feed(ControlReceived(message=message))

    async def end(self, call_id: str, reason: str) -> None:
        """End a running call and wait until that is recorded. Raises ``CallNotLive``."""
        session = await self._session(call_id)
        session.feed(EndRequested(reason=reason))
        await session.over()
        await session.journal.flushed()

    def active(self) -> int:
        return len(self._held)

    async def drain(self, timeout_s: float) -> None:
        """Take no new calls, end running ones with ``worker-shutdown``, return when all is recorded or time is up."""
        self._draining = True
        for session in list(self._live.values()):
            session.feed(EndRequested(reason=SHUTDOWN_REASON))
        if self._held:
            await asyncio.wait(list(self._held.values()), timeout=timeout_s)

    @property
    def trouble(self) -> str:
        """What keeps this tier from recording its calls as it should, for operators; empty where nothing does."""
        return self._outbox.trouble

    def lag_ms(self) -> float:
        """How late the 20 ms clock was at worst in the last second: the load measure of this process."""
        return self._ticker.worst_lag_ms

    # One call.

    def _admit(self, call_id: str) -> None:
        if self._group is None or self._draining:
            raise CallRejected(_RESTART, "the server is shutting down; connect again later")
        if call_id in self._held:
            raise CallRejected(_POLICY, "another connection serves the call already")
        if len(self._held) >= self._settings.max_calls:
            raise CallRejected(_TRY_LATER, f"{self._settings.max_calls} calls are running here; try again later")
        if self._outbox.overflowing:
            raise CallRejected(_TRY_LATER, "too many events wait for the log to take another call; try again later")
        if self._ticker.sustained_lag_ms > self._settings.max_lag_ms:
            raise CallRejected(_TRY_LATER, "this server is too busy to take another call now; try again later")

    def _end_for_overflow(self) -> None:
        for session in list(self._live.values()):
            session.feed(EndRequested(reason=OVERLOAD_REASON))

    async def _session(self, call_id: str) -> CallSession:
        opening = self._opening.get(call_id)
        if opening is not None:
            # Its claim can be seen on the log a little before its conversation has begun.
            await opening.wait()
        session = self._live.get(call_id)
        if session is None:
            raise CallNotLive(f"call {call_id} is not running here")
        return session

    def _let_go(self, call_id: str) -> None:
        self._held.pop(call_id, None)
        if (opening := self._opening.pop(call_id, None)) is not None:
            opening.set()

    async def _hold(self, call_id: str, socket: CallSocket) -> CallRejected | None:
        self._collector.call_began()
        try:
            await self._serve(call_id, socket)
        except CallRejected as rejected:
            return rejected
        except Exception:
            # One call's fault must not reach the others; the reaper ends what was left without an end.
            _log.exception("call.failed", extra={"call_id": call_id})
            return CallRejected(_SERVER_ERROR, "internal error")
        else:
            return None
        finally:
            self._live.pop(call_id, None)
            self._collector.call_ended()

    async def _serve(self, call_id: str, socket: CallSocket) -> None:
        opened_s = monotonic()
        call = await self._claim(call_id)
        clock = CallClock(self._clock())
        opened_ms = clock.now_ms() - (monotonic() - opened_s) * 1000
        warnings = EarlyWarnings()
        mcp = McpServers(
            lambda: GuardedTransport(self._egress),
            headers={"x-call-id": call_id},
            warn=warnings.warn,
            timeout_s=self._settings.tool_timeout_s,
            result_cap=self._settings.tool_result_cap,
        )
        async with guarded_client(self._egress, timeout_s=self._settings.tool_timeout_s) as client, mcp:
            try:
                session, parts = await self._begin(call, clock, socket, client, mcp, opened_ms)
            except StartRefused as refused:
                await self._refuse(call_id, refused, socket)
                raise CallRejected(_SERVER_ERROR, refused.reason) from refused
            warnings.pass_to(session.warned)
            self._live[call_id] = session
            self._opening[call_id].set()
            self._ticker.join(session)
            if self._draining:
                # Right after the conversation began, as for every other running call.
                asyncio.get_running_loop().call_soon(session.feed, EndRequested(reason=SHUTDOWN_REASON))
            try:
                await session.run(parts)
            finally:
                self._ticker.leave(session)
                self._live.pop(call_id, None)
                await self._aftermath.settle(session, parts.recording, clock.wall_time)
                await self._outbox.fragments.flush()
                await session.journal.flushed()

    async def _begin(
        self,
        call: Any,
        clock: CallClock,
        socket: CallSocket,
        client: httpx.AsyncClient,
        mcp: McpServers,
        opened_ms: float,
    ) -> tuple[CallSession, Parts]:
        """Calls begin one after the other, but none waits for the servers that another's tools are listed by.

        Raises ``StartRefused``.
        """
        async with self._starting:
            chosen = choose_assistant(call, clock, self._workshop)
            await asyncio.sleep(0)
            if not chosen.waits_for_servers:
                return await self._put_together(call, chosen, clock, socket, client, mcp, opened_ms)
        chosen = await chosen.expanded(mcp)
        async with self._starting:
            return await self._put_together(call, chosen, clock, socket, client, mcp, opened_ms)

    async def _put_together(
        self,
        call: Any,
        chosen: Chosen,
        clock: CallClock,
        socket: CallSocket,
        client: httpx.AsyncClient,
        mcp: McpServers,
        opened_ms: float,
    ) -> tuple[CallSession, Parts]:
        """One call at a time and one step in each turn of the loop: calls that run wait for a step at most.

        Raises ``StartRefused``.
        """
        prepared = prepare(call, chosen, clock, self._workshop)
        await asyncio.sleep(0)
        session = open_session(call, clock, prepared, self._workshop)
        recording = await open_recording(session, prepared, self._workshop)
        await asyncio.sleep(0)
        parts = assemble(session, socket, prepared, self._workshop, client, mcp, recording, opened_ms=opened_ms)
        await asyncio.sleep(0)
        return session, parts

    async def _claim(self, call_id: str) -> Any:
        command = ClaimCall(owner=self._leases.owner, lease_seconds=self._settings.lease_s, address=self._address)
        try:
            state, _ = await self._commands.execute(CALL, call_id, command)
        except Refused as refused:
            raise CallRejected(_POLICY, str(refused)) from refused
        except LogUnavailable as unavailable:
            raise CallRejected(_TRY_LATER, "the log does not take events now; try again later") from unavailable
        claimed: Call = state
        if isinstance(claimed, Deleted):
            raise CallRejected(_POLICY, "the call does not exist")
        return claimed

    async def _refuse(self, call_id: str, refused: StartRefused, socket: CallSocket) -> None:
        _log.warning("call.refused", extra={"call_id": call_id, "reason": refused.reason})
        await self._commands.execute(CALL, call_id, EndCall(reason=refused.reason, message=refused.message))
        await socket.send_text(f'{{"type":"status-update","status":"ended","endedReason":"{refused.reason}"}}')
