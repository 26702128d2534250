"""One shard on this node: what answers from its file, and how commands and facts become commits on it."""

from __future__ import annotations

from collections.abc import Callable

from domain.log.ports import Clock, IdSource
from streams.log.append import EMBEDDED_SHARD
from streams.log.application import LogApplication
from streams.log.commands import LogCommands
from streams.log.documents import DocumentReader
from streams.log.proposals import ProposalQueue
from streams.log.reader import LogReader
from streams.log.states import States
from streams.log.verification import Verification, verify


class Shard:
    """Reads on the caller's thread, appends through ``writer``. Whoever opened the file closes it."""

    def __init__(
        self,
        application: LogApplication,
        states: States,
        writer: ProposalQueue,
        *,
        number: int = EMBEDDED_SHARD,
        clock: Clock,
        new_id: IdSource,
        jitter: Callable[[], float],
    ) -> None:
        self.application = application
        self.documents = DocumentReader(application.datastore, states)
        self.reader = LogReader(application.datastore, application.codec, number)
        self.commands = LogCommands(
            application,
            self.documents,
            self.reader,
            writer,
            shard=number,
            clock=clock,
            new_id=new_id,
            jitter=jitter,
        )

    def verify(self) -> Verification:
        """Judge and chain every record again; reports the first one that is not what was appended."""
        with self.application.datastore.reading() as connection:
            return verify(connection)
