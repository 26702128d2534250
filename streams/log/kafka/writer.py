"""Appending to a partition: one round trip for everything that waits, and the truth about what became of it.

A batch is judged and folded ahead of time on the replica as it stands, sent, and adopted as it is when its
acknowledgements show that nothing came in between; else the follower reads and judges what the log really holds.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Sequence

from kafka.errors import KafkaError, KafkaTimeoutError

from domain.event import Recorded
from domain.log.chain import record_hash
from domain.log.commit import Commit, Slot
from domain.log.envelope import to_record
from domain.log.ports import LogUnavailable, OutcomeUnknown
from domain.log.receipt import CommitIdReused, Receipt
from streams.kafka.clients import MAX_RECORD_BYTES
from streams.kafka.location import KafkaLocation
from streams.kafka.renewal import RenewedProducer
from streams.kafka.unfit import UnfitCluster
from streams.log.append import Settled
from streams.log.kafka.halt import Halted, shorter_log
from streams.log.kafka.replica import Plan, Replica
from streams.log.kafka.sending import CommitOnItsWay, WriterCounters, acknowledged, again, commit_of, expired
from streams.log.proposals import Outcome, Proposal, ProposalQueue, recorded

SETTLE_SECONDS = 20.0
"""How long a commit is sent again, byte for byte, before its sender is told that its outcome is unknown. Longer than a
cluster takes to replace a lost leader: 9 s, unless it is told otherwise, and some seconds for everybody to notice."""

AWAY_SECONDS = 3.0
"""The same while Kafka is known to confirm nothing: whoever has to wait for it shall hear so soon."""

CLOSE_SECONDS = 5.0
"""The same once the log is being closed."""

FLUSH_SECONDS = 0.5
"""How soon a writer that waits for acknowledgements notices that it is to end."""

LARGEST_BYTES = MAX_RECORD_BYTES - 64 * 1024
"""Value and headers of one commit; the rest is for Kafka's framing."""

REMEMBERED = 10_000
"""Commits of unknown outcome whose bytes are kept, so that a sender's next attempt sends the same ones."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_log = logging.getLogger(__name__)


class ShardWriter(ProposalQueue):
    """Settles each proposal once the replica holds its verdict, or says that the outcome is unknown."""

    def __init__(
        self,
        location: KafkaLocation,
        replica: Replica,
        producer: RenewedProducer,
        *,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        super().__init__(f"log-writer-{replica.shard}")
        self.counters = WriterCounters()
        self._topic = location.topic("log")
        self._replica = replica
        self._producer = producer
        self._settle_seconds = settle_seconds
        self._unknown: OrderedDict[str, tuple[Proposal, Commit]] = OrderedDict()
        self._away = False
        """Whether nothing was confirmed in all the time that the last batch had."""

    async def resend(self, commit_id: str) -> Outcome | None:
        """Send a commit of unknown outcome again, the same bytes; ``None`` when there is none under this id."""
        remembered = self._unknown.get(commit_id)
        return None if remembered is None else await self.submit(remembered[0])

    def close(self) -> None:
        """Settle what is pending, as far as that is possible within ``CLOSE_SECONDS``."""
        super().close()
        self._producer.close()

    def _refusal(self) -> LogUnavailable | None:
        if self._replica.halted is not None:
            return LogUnavailable(f"the log is halted: {self._replica.halted}")
        return self._replica.trouble

    def _commit(self, batch: Sequence[Proposal]) -> Sequence[Outcome | Exception | Proposal]:
        refusal = self._refusal()
        if refusal is not None:
            return [refusal] * len(batch)
        try:
            with self._replica.planning() as plan:
                placed = self._placed(plan, batch)
        except Halted as halt:
            self._replica.halt(halt)
            return [halt] * len(batch)
        except LogUnavailable as problem:
            return [problem] * len(batch)
        items = [entry for entry in placed if isinstance(entry, CommitOnItsWay)]
        if items:
            try:
                self._append(plan, items)
            except Exception as defect:
                _log.exception("log.append_failed", extra={"shard": self._replica.shard})
                for item in items:
                    if item.outcome is None:
                        item.outcome = self._left_unknown(item, f"this node failed ({type(defect).__name__})")
        return [_outcome(entry) for entry in placed]

    # Before sending

    def _placed(self, plan: Plan, batch: Sequence[Proposal]) -> list[CommitOnItsWay | Outcome | Exception | Proposal]:
        """Each proposal as a commit that is next on the plan, or what became of it without sending.

        A proposal comes back, to be placed again after this batch, where it has to wait for one before it: the same
        commit id, or facts of the same originator, whose order must not depend on a race.
        """
        placed: list[CommitOnItsWay | Outcome | Exception | Proposal] = []
        ids, originators = set[str](), set[str]()
        for index, proposal in enumerate(batch):
            waits = proposal.sent_as in ids or (proposal.slots is None and proposal.originator_id in originators)
            ids.add(proposal.sent_as)
            originators.add(proposal.originator_id)
            try:
                placed.append(proposal if waits else self._place(plan, index, proposal))
            except sqlite3.Error:
                raise
            except Exception as refusal:
                placed.append(refusal)
        return placed

    def _place(self, plan: Plan, index: int, proposal: Proposal) -> CommitOnItsWay | Outcome | Proposal:
        known = plan.transaction.known(proposal.sent_as)
        if known is not None:
            return self._answer(proposal, known)
        commit = self._commit_of(plan, proposal)
        self._refuse_unreadable(commit)
        verdict = plan.transaction.preview(commit)
        # What was sent before, without an outcome, is settled on the log also where its place was taken meanwhile: a
        # later attempt has another id, and whoever comes back with this one must find that it came to nothing.
        settles = proposal.settles_on_log or proposal.sent_as in self._unknown
        if not verdict.accepted and not settles:
            self.counters.refused += 1
            receipt = Receipt(commit_id=commit.commit_id, verdict=verdict, shard=self._replica.shard, ordinals=range(0))
            return Outcome(receipt, (), {}, on_log=False)
        record = to_record(commit)
        size = len(record.value) + sum(len(name) + len(content) for name, content in record.headers)
        if size > LARGEST_BYTES:
            raise LogUnavailable(
                f"commit {commit.commit_id} has {size} bytes, more than {LARGEST_BYTES}; append it in smaller commits"
            )
        events: tuple[Recorded, ...] = ()
        states: dict[str, object] = {}
        if verdict.accepted and proposal.facts:
            events = recorded(commit.slots, proposal.facts)
            staged = plan.fold.stage(events)
            plan.fold.keep(staged)
            states = {originator_id: stage.state for originator_id, stage in staged.items()}
        receipt = plan.transaction.take(commit, record, record_hash(record))
        key = (commit.slots[0].originator_id if commit.slots else commit.commit_id).encode()
        return CommitOnItsWay(index, proposal, commit, record, key, receipt, events, states)

    def _commit_of(self, plan: Plan, proposal: Proposal) -> Commit:
        remembered = self._unknown.get(proposal.sent_as)
        if remembered is not None:
            _, commit = remembered
            if commit.bodies != proposal.bodies or proposal.slots not in (None, commit.slots):
                raise CommitIdReused(proposal.sent_as)
            return commit
        slots = proposal.slots
        if slots is None:
            first = plan.transaction.next_version(proposal.originator_id)
            slots = tuple(Slot(proposal.originator_id, first + index) for index in range(len(proposal.bodies)))
        return commit_of(proposal, slots)

    def _refuse_unreadable(self, commit: Commit) -> None:
        for slot in commit.slots:
            reason = self._replica.unfoldable(slot.originator_id)
            if reason is not None:
                raise LogUnavailable(
                    f"{slot.originator_id} has an event that this build cannot fold ({reason}); upgrade this node"
                )

    # Sending

    def _append(self, plan: Plan, items: Sequence[CommitOnItsWay]) -> None:
        deadline = time.monotonic() + min(self._settle_seconds, AWAY_SECONDS if self._away else self._settle_seconds)
        self.counters.commits += len(items)
        self._replica.expect(plan, items[0].commit.commit_id)
        self._send(items, deadline)
        offsets = [item.offset for item in items]
        self._away = self._away and offsets.count(None) == len(offsets)
        lowest = min((offset for offset in offsets if offset is not None), default=plan.base)
        if lowest < plan.base:
            self._replica.halt(shorter_log(self._replica.shard, plan.base, lowest, str(self._replica.path)))
        elif offsets == list(range(plan.base, plan.base + len(items))) and self._adopted(plan):
            self.counters.adopted += len(items)
            for item in items:
                self._unknown.pop(item.commit.commit_id, None)
                item.outcome = self._judged(item)
            return
        self._replica.abandon()
        self._await_verdicts(items, deadline)

    def _adopted(self, plan: Plan) -> bool:
        try:
            return self._replica.adopt(plan)
        except LogUnavailable as problem:
            # The commits are on the log; the follower applies them once the file can be written again.
            _log.warning("log.not_applied", extra={"shard": self._replica.shard, "reason": str(problem)})
            return False

    def _send(self, items: Sequence[CommitOnItsWay], deadline: float) -> None:
        """Send and wait for the acknowledgements; an item that got none keeps no offset."""
        for item in items:
            item.sent = None
        try:
            for item in items:
                item.sent = self._producer.send(
                    self._topic,
                    value=item.record.value,
                    key=item.key,
                    headers=list(item.record.headers),
                    partition=self._replica.shard,
                )
                item.was_sent = True
            self._flush(deadline)
        except (KafkaError, UnfitCluster) as problem:
            # What was sent so far tells its own outcome below; the rest was not sent.
            _log.warning("log.not_sent", extra={"shard": self._replica.shard, "reason": str(problem)})
        for item in items:
            item.offset = acknowledged(item.sent)
        if any(expired(item.sent) for item in items):
            self._producer.renew()

    def _flush(self, deadline: float) -> None:
        """Wait until every record has its outcome. Raises ``KafkaTimeoutError`` once nobody may wait any longer."""
        while True:
            try:
                self._producer.flush(timeout=min(max(deadline - time.monotonic(), 0.1), FLUSH_SECONDS))
            except KafkaTimeoutError:
                if self._reason_to_give_up(deadline):
                    raise
            else:
                return

    def _await_verdicts(self, items: Sequence[CommitOnItsWay], deadline: float) -> None:
        """Wait for the follower to reach these commits, sending again those that nobody acknowledged."""
        pause = _FIRST_PAUSE
        while True:
            highest = max((item.offset for item in items if item.offset is not None), default=None)
            if highest is not None:
                self._wait_past(highest, deadline)
            for item in items:
                known = self._replica.settled(item.commit.commit_id) if item.outcome is None else None
                if known is not None:
                    self._unknown.pop(item.commit.commit_id, None)
                    self._away = False
                    self.counters.void += not known.receipt.verdict.accepted
                    item.outcome = self._safe_answer(item.proposal, known)
            waiting = [item for item in items if item.outcome is None]
            if not waiting:
                return
            reason = self._reason_to_give_up(deadline)
            if reason:
                self._away = len(waiting) == len(items)
                for item in waiting:
                    item.outcome = self._left_unknown(item, reason)
                return
            missing = [item for item in waiting if item.offset is None]
            if missing:
                self._replica.wait_past(self._replica.tail.next_offset, pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                missing = [item for item in missing if self._replica.settled(item.commit.commit_id) is None]
                self.counters.resent += len(missing)
                self._send(missing, deadline)

    def _wait_past(self, offset: int, deadline: float) -> None:
        while not self._replica.wait_past(offset, 0.5) and not self._reason_to_give_up(deadline):
            pass

    def _reason_to_give_up(self, deadline: float) -> str:
        if self._replica.halted is not None:
            return f"the log is halted: {self._replica.halted}"
        if self._replica.trouble is not None:
            return str(self._replica.trouble).partition(";")[0]
        if self._closing:
            deadline = min(deadline, self._closing_since + CLOSE_SECONDS)
        if time.monotonic() >= deadline:
            return "no broker confirmed it in time"
        return ""

    def _left_unknown(self, item: CommitOnItsWay, reason: str) -> LogUnavailable:
        commit_id = item.commit.commit_id
        if not item.was_sent and commit_id not in self._unknown:
            return LogUnavailable(f"commit {commit_id} could not be sent: {reason}; nothing was appended")
        self.counters.unknown += 1
        self._unknown[commit_id] = (item.proposal, item.commit)
        if len(self._unknown) > REMEMBERED:
            self._unknown.popitem(last=False)
        return OutcomeUnknown(
            f"commit {commit_id} may or may not be on the log: {reason}; send it again under the same commit id"
        )

    # Verdicts

    def _judged(self, item: CommitOnItsWay) -> Outcome | Exception | Proposal:
        """What became of a commit whose plan was adopted."""
        if item.receipt.verdict.accepted:
            return Outcome(item.receipt, item.events, item.states)
        self.counters.void += 1
        if item.proposal.slots is not None:
            return Outcome(item.receipt, (), {})
        try:
            return again(item.proposal)
        except LogUnavailable as refusal:
            return refusal

    def _safe_answer(self, proposal: Proposal, known: Settled) -> Outcome | Exception | Proposal:
        try:
            return self._answer(proposal, known)
        except (CommitIdReused, LogUnavailable) as refusal:
            return refusal

    def _answer(self, proposal: Proposal, known: Settled) -> Outcome | Proposal:
        """What the log's verdict on this commit id means for whoever proposed under it."""
        accepted = known.receipt.verdict.accepted
        if proposal.slots is None and not accepted:
            return again(proposal)
        slots = known.slots if proposal.slots is None else proposal.slots
        same = len(slots) == len(proposal.bodies)
        if not same or record_hash(to_record(commit_of(proposal, slots))) != known.record_hash:
            raise CommitIdReused(proposal.sent_as)
        events = recorded(slots, proposal.facts) if accepted and proposal.facts else ()
        return Outcome(known.receipt, events, {})


def _outcome(entry: CommitOnItsWay | Outcome | Exception | Proposal) -> Outcome | Exception | Proposal:
    if not isinstance(entry, CommitOnItsWay):
        return entry
    if entry.outcome is None:
        raise AssertionError(f"commit {entry.commit.commit_id} was left without an outcome")
    return entry.outcome
