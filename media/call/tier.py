"""The media tier of one process: takes calls, runs them, and sees to it that everything about them is recorded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from domain.artifacts import ArtifactStore
from domain.call.state import Ended
from domain.egress import EgressPolicy
from domain.fragments import FragmentLog
from domain.knowledge.search import Knowledge, NoKnowledge
from domain.live_calls import CallNotLive, CallRejected, CallSocket
from domain.log.ports import Clock, Commands, Documents, EventLog, IdSource
from domain.pricing.tables import CURRENT_PRICE_TABLE
from media.audio.voice_activity import Detector, webrtc_detector
from media.call.admission import Admission
from media.call.aftermath import Aftermath
from media.call.collector import CollectorPolicy
from media.call.conversation import MachineConversation
from media.call.leases import FileLeases, Leases, keep_alive
from media.call.outbox import Outbox
from media.call.parts import Conversation
from media.call.providers import Providers
from media.call.reaper import Reaper
from media.call.reception import POLICY, SERVER_ERROR, Reception
from media.call.salvage import Salvage
from media.call.session import OVERLOAD_REASON, CallSession
from media.call.settings import MediaSettings
from media.call.sounds import SoundShelf
from media.call.stagehands import Toolbox
from media.call.start_line import StartLine
from media.call.tenancy import TenantPorts
from media.call.ticker import Ticker
from media.call.turnstile import Turnstile
from media.call.voice_runner import VoiceCache
from media.call.workshop import Workshop, warm_up
from media.machine.inputs import EndRequested, TransportClosed
from media.machine.plan import CallPlan
from media.providers.ended_reason import ended_reason

_log = logging.getLogger(__name__)

SHUTDOWN_REASON = "worker-shutdown"


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
        tenants: TenantPorts | None = None,
        conversation: Callable[[CallPlan], Conversation] = MachineConversation,
        detector: Callable[[], Detector] = webrtc_detector,
    ) -> None:
        settings.live_dir.mkdir(parents=True, exist_ok=True)
        self._egress = egress
        self._settings = settings
        self._clock = clock
        self._leases = leases or FileLeases(settings.live_dir / "leases", settings.lease_s)
        self._recording_thread = ThreadPoolExecutor(1, "callfold-recordings")
        self._aftermath_threads = ThreadPoolExecutor(2, "callfold-aftermath")
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
            tenants=tenants or TenantPorts(),
            ended_reason=ended_reason,
            conversation=conversation,
            detector=detector,
            outbox=self._outbox,
            voice_cache=VoiceCache(settings.voice_cache_bytes),
            sounds=SoundShelf(settings.sound_shelf_bytes),
            files=self._recording_thread,
            turnstile=Turnstile(),
            settings=settings,
            price_table=price_table,
        )
        self._collector = CollectorPolicy()
        self._ticker = Ticker()
        self._live: dict[str, CallSession] = {}
        self._held: dict[str, asyncio.Task[CallRejected | None]] = {}
        """Calls from claim to the last recorded event; ``_live`` are those whose conversation runs."""
        self._opening: dict[str, asyncio.Event] = {}
        """Of every held call, set once its conversation has begun or it is clear that it will not."""
        self._starting: set[str] = set()
        """Held calls whose conversation has not begun."""
        start_line = StartLine()
        self._admission = Admission(self._held, self._starting, settings, self._ticker, start_line, self._outbox)
        self._reception = Reception(
            commands,
            self._workshop,
            Aftermath(artifacts, documents, self._recording_thread, self._aftermath_threads, settings.live_dir),
            egress,
            clock,
            start_line,
            owner=self._leases.owner,
            address=address,
            running=self._running,
        )
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
            log=log,
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
            price_table=price_table,
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
        self._admission.open = True
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
        if call_id in self._held:
            raise CallRejected(POLICY, self._why_taken(call_id))
        self._admission.check()
        assert self._group is not None
        task = self._group.create_task(self._hold(call_id, socket), name=f"call-{call_id}")
        self._held[call_id] = task
        self._opening[call_id] = asyncio.Event()
        self._starting.add(call_id)
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
        (await self._session(call_id)).steer(message, "operator")

    async def end(self, call_id: str, reason: str) -> None:
        """End a running call and wait until that is recorded. Raises ``CallNotLive``."""
        session = await self._session(call_id)
        session.feed(EndRequested(reason=reason))
        await session.over()
        await session.chronicle.journal.flushed()

    def active(self) -> int:
        return len(self._held)

    def room(self) -> int:
        """How many more calls this process would take now."""
        return self._admission.room()

    async def drain(self, timeout_s: float) -> None:
        """Take no new calls, end running ones with ``worker-shutdown``, return when all is recorded or time is up."""
        self._admission.open = False
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

    def _why_taken(self, call_id: str) -> str:
        """What one more connection to a call of this process is told: it may be over, and only being put away."""
        session = self._live.get(call_id)
        if not self._opening[call_id].is_set() or (session is not None and session.chronicle.ended_reason is None):
            return "another connection serves the call already"
        document = self._workshop.documents.get("call", call_id)
        state = document.state if document is not None else None
        ended = f" with {state.end.reason}" if isinstance(state, Ended) else ""
        return f"the call has ended{ended}; create a new call"

    def _let_go(self, call_id: str) -> None:
        self._held.pop(call_id, None)
        self._starting.discard(call_id)
        if (opening := self._opening.pop(call_id, None)) is not None:
            opening.set()

    async def _hold(self, call_id: str, socket: CallSocket) -> CallRejected | None:
        self._collector.call_began()
        try:
            await self._reception.hold(call_id, socket)
        except CallRejected as rejected:
            return rejected
        except Exception:
            # One call's fault must not reach the others; the reaper ends what was left without an end.
            _log.exception("call.failed", extra={"call_id": call_id})
            return CallRejected(SERVER_ERROR, "internal error")
        else:
            return None
        finally:
            self._collector.call_ended()

    @contextmanager
    def _running(self, session: CallSession) -> Iterator[None]:
        self._live[session.call_id] = session
        self._starting.discard(session.call_id)
        self._opening[session.call_id].set()
        self._ticker.join(session)
        if not self._admission.open:
            # Right after the conversation began, as for every other running call.
            asyncio.get_running_loop().call_soon(session.feed, EndRequested(reason=SHUTDOWN_REASON))
        try:
            yield
        finally:
            self._ticker.leave(session)
            self._live.pop(session.call_id, None)
