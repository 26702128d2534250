"""The one thread that appends: everything pending goes into one transaction, and one flush to disk serves it all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from domain.log.arbitration import UnknownEnvelopeVersion
from domain.log.commit import Commit, Slot
from domain.log.ports import LogUnavailable
from domain.log.receipt import CommitIdReused
from streams.log.append import AppendTransaction
from streams.log.checkpointer import Checkpointer
from streams.log.datastore import DATABASE_ERRORS, LogDatastore, unavailable
from streams.log.fold import Fold, refold
from streams.log.proposals import Outcome, Proposal, ProposalQueue, recorded
from streams.log.states import States


class Writer(ProposalQueue):
    """Appends to the log's own file, and settles each proposal once it is on the disk."""

    def __init__(self, datastore: LogDatastore, states: States) -> None:
        super().__init__("log-writer")
        self._datastore = datastore
        self._states = states
        self._checkpointer = Checkpointer(datastore)
        self._halted: UnknownEnvelopeVersion | None = None
        self.start()

    def close(self) -> None:
        """Append what is pending, then stop."""
        super().close()
        self._checkpointer.close()

    def _refusal(self) -> LogUnavailable | None:
        return None if self._halted is None else LogUnavailable(f"the log is halted: {self._halted}")

    def _commit(self, batch: Sequence[Proposal]) -> Sequence[Outcome | Exception]:
        """Append a batch in one transaction; every proposal has its own outcome."""
        try:
            with self._datastore.transaction(commit=True) as cursor:
                connection = cursor.sqlite_cursor.connection
                append, fold = AppendTransaction(connection), Fold(connection, self._states)
                refold(connection, self._states, append.head)
                outcomes = [_attempt(append, fold, proposal) for proposal in batch]
                append.write()
                fold.write(append.head)
        except UnknownEnvelopeVersion as newer:
            self._halted = newer
            return [LogUnavailable(f"the log is halted: {newer}") for _ in batch]
        except DATABASE_ERRORS as problem:
            return [unavailable(problem) for _ in batch]
        except Exception as defect:
            # Nothing was appended. Alone, the proposal that meets a defect fails and the others do not.
            if len(batch) == 1:
                return [defect]
            return [self._commit([proposal])[0] for proposal in batch]
        fold.publish()
        self._datastore.commits.fire()
        self._checkpointer.nudge()
        return outcomes


def _attempt(append: AppendTransaction, fold: Fold, proposal: Proposal) -> Outcome | Exception:
    """Append one proposal to the open transaction; its own faults spare the rest of the batch."""
    try:
        return _append(append, fold, proposal)
    except (UnknownEnvelopeVersion, sqlite3.Error):
        raise
    except Exception as refusal:
        return refusal


def _append(append: AppendTransaction, fold: Fold, proposal: Proposal) -> Outcome:
    known = append.known(proposal.commit_id)
    slots = proposal.slots
    if slots is None:
        if known is not None:
            slots = known.slots
            if len(slots) != len(proposal.bodies):
                raise CommitIdReused(proposal.commit_id)
        else:
            first = append.next_version(proposal.originator_id)
            slots = tuple(Slot(proposal.originator_id, first + index) for index in range(len(proposal.bodies)))
    commit = Commit(
        commit_id=proposal.commit_id,
        slots=slots,
        topics=proposal.topics,
        bodies=proposal.bodies,
        tracking=proposal.tracking,
    )
    if known is not None or not append.preview(commit).accepted:
        receipt = append.append(commit)
        return Outcome(receipt, recorded(slots, proposal.facts) if receipt.verdict.accepted else (), {})
    events = recorded(slots, proposal.facts)
    staged = fold.stage(events)
    receipt = append.append(commit)
    fold.keep(staged)
    return Outcome(receipt, events, {originator_id: stage.state for originator_id, stage in staged.items()})
