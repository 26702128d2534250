"""Events that a processor could not take, in a SQLite file: the first one and every later one of its originator.

Where processors are shared out among machines the letters are on a topic, and the file is a copy in memory
(``streams.faust.dead_topic``).

Order within an originator is what folds rely on, so an originator with a parked event stands still for that
processor, while all others go on. A parked event is tried again (``EmbeddedRunner.retry``) once its cause is mended,
or dropped: then the processor passes over it for ever, also when it folds the history again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

import msgspec

from domain.log.ports import LogUnavailable
from domain.log.position import Position
from domain.processing import DeadLetter

_TABLE = """
CREATE TABLE IF NOT EXISTS dead_letters (
    processor TEXT NOT NULL,
    shard INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    originator_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    dropped INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (processor, shard, ordinal)
) WITHOUT ROWID
"""

_BY_ORIGINATOR = "CREATE INDEX IF NOT EXISTS dead_letters_by_originator ON dead_letters (processor, originator_id)"

BEHIND = "waits for an earlier event of its originator"
"""Reason of the letters that are parked only to keep the order."""


class NoSuchLetter(Exception):
    """There is no parked event at this position for this processor."""

    def __init__(self, processor: str, position: Position) -> None:
        super().__init__(f"{processor} has no parked event at {position}; list the dead letters to see what there is")


class DeadLetters:
    """Usable from any thread. ``path`` may be ``":memory:"`` for a run whose letters nobody will look at later."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(_TABLE)
        self._connection.execute(_BY_ORIGINATOR)
        self._parked: dict[tuple[str, str], int] = {}
        self._dropped: set[tuple[str, int, int]] = set()
        self._refresh()

    def park(self, letters: list[DeadLetter]) -> None:
        """Keep these, durably, when it returns. One that is kept already (the range was replayed) stays as it is.

        Raises ``LogUnavailable``, as everything does that writes: the disk is full, say. Try again after a pause.
        """
        with self._writing():
            self._connection.executemany(
                "INSERT OR IGNORE INTO dead_letters (processor, originator_id, shard, ordinal, reason, attempt) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        letter.processor,
                        letter.originator_id,
                        letter.position.shard,
                        letter.position.ordinal,
                        letter.reason,
                        letter.attempt,
                    )
                    for letter in letters
                ],
            )
            self._refresh()

    def __bool__(self) -> bool:
        """Whether there is any; mostly there is none, and then nothing need be asked of each event."""
        return bool(self._parked or self._dropped)

    def blocks(self, processor: str, originator_id: str, position: Position) -> bool:
        """Whether an earlier event of the originator, or this one, is parked for the processor."""
        first = self._parked.get((processor, originator_id))
        return first is not None and first <= position.ordinal

    def is_dropped(self, processor: str, position: Position) -> bool:
        """Whether somebody decided that the processor shall pass over this event."""
        return bool(self._dropped) and (processor, position.shard, position.ordinal) in self._dropped

    def list(self, processor: str | None = None, originator_id: str | None = None) -> list[DeadLetter]:
        """Parked events in the order of the log."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT processor, originator_id, shard, ordinal, reason, attempt FROM dead_letters "
                "WHERE NOT dropped AND (?1 IS NULL OR processor = ?1) AND (?2 IS NULL OR originator_id = ?2) "
                "ORDER BY shard, ordinal",
                (processor, originator_id),
            ).fetchall()
        return [
            DeadLetter(
                processor=row[0], originator_id=row[1], position=Position(row[2], row[3]), reason=row[4], attempt=row[5]
            )
            for row in rows
        ]

    def show(self, processor: str, position: Position) -> DeadLetter:
        """One parked event. Raises ``NoSuchLetter``."""
        for letter in self.list(processor):
            if letter.position == position:
                return letter
        raise NoSuchLetter(processor, position)

    def drop(self, processor: str, position: Position) -> None:
        """Pass over this event for ever; later ones of its originator can then be tried again.

        The rows it should have made are missing from then on. Raises ``NoSuchLetter``.
        """
        letter = self.show(processor, position)
        with self._writing():
            self._connection.execute(
                "UPDATE dead_letters SET dropped = 1 WHERE processor = ? AND shard = ? AND ordinal = ?",
                (letter.processor, position.shard, position.ordinal),
            )
            self._refresh()

    @property
    def dropped(self) -> frozenset[tuple[str, int, int]]:
        """Processor, shard and ordinal of what is passed over for ever."""
        return frozenset(self._dropped)

    def drop_all(self, dropped: Set[tuple[str, int, int]]) -> None:
        """Pass over what other dead letters pass over, as long as these are open."""
        with self._lock:
            self._dropped |= dropped

    def settle(self, letter: DeadLetter) -> None:
        """The event was processed after all."""
        with self._writing():
            self._connection.execute(
                "DELETE FROM dead_letters WHERE processor = ? AND shard = ? AND ordinal = ?",
                (letter.processor, letter.position.shard, letter.position.ordinal),
            )
            self._refresh()

    def put(self, letter: DeadLetter, *, dropped: bool = False) -> None:
        """Keep a letter as another process has it. What was dropped once stays dropped."""
        place = letter.position
        with self._writing():
            self._connection.execute(
                "INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (processor, shard, ordinal) "
                "DO UPDATE SET reason = excluded.reason, attempt = excluded.attempt, "
                "dropped = max(dropped, excluded.dropped)",
                (
                    letter.processor,
                    place.shard,
                    place.ordinal,
                    letter.originator_id,
                    letter.reason,
                    letter.attempt,
                    dropped,
                ),
            )
            self._refresh_of(letter.processor, letter.originator_id)
            if dropped:
                self._dropped.add((letter.processor, place.shard, place.ordinal))

    def take_away(self, processor: str, position: Position) -> None:
        """Another process has settled this letter."""
        with self._writing():
            gone = self._connection.execute(
                "DELETE FROM dead_letters WHERE processor = ? AND shard = ? AND ordinal = ? AND NOT dropped "
                "RETURNING originator_id",
                (processor, position.shard, position.ordinal),
            ).fetchall()
            for (originator_id,) in gone:
                self._refresh_of(processor, originator_id)

    def fail_again(self, letter: DeadLetter, reason: str) -> DeadLetter:
        """Another attempt failed; the letter as it stands now."""
        tried = msgspec.structs.replace(letter, reason=reason, attempt=letter.attempt + 1)
        with self._writing():
            self._connection.execute(
                "UPDATE dead_letters SET reason = ?, attempt = ? WHERE processor = ? AND shard = ? AND ordinal = ?",
                (tried.reason, tried.attempt, tried.processor, tried.position.shard, tried.position.ordinal),
            )
        return tried

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._lock, self._connection:
                yield
        except sqlite3.OperationalError as problem:
            raise LogUnavailable(f"what is parked cannot be recorded: {problem}") from problem

    def _refresh_of(self, processor: str, originator_id: str) -> None:
        ((first,),) = self._connection.execute(
            "SELECT min(ordinal) FROM dead_letters WHERE NOT dropped AND processor = ? AND originator_id = ?",
            (processor, originator_id),
        ).fetchall()
        if first is None:
            self._parked.pop((processor, originator_id), None)
        else:
            self._parked[(processor, originator_id)] = first

    def _refresh(self) -> None:
        self._parked = {
            (processor, originator_id): ordinal
            for processor, originator_id, ordinal in self._connection.execute(
                "SELECT processor, originator_id, min(ordinal) FROM dead_letters WHERE NOT dropped GROUP BY 1, 2"
            )
        }
        self._dropped |= set(
            self._connection.execute("SELECT processor, shard, ordinal FROM dead_letters WHERE dropped").fetchall()
        )
