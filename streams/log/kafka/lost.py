"""What a replica that was moved aside holds, and the log does not any more.

Nothing appends it again by itself: others have decided without it meanwhile, and versions that it took may be taken.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from domain.log.ports import LogUnavailable
from streams.log.datastore import unavailable
from streams.log.file_uri import read_only_uri

_LOST = """
SELECT commit_id, ordinal, originator_id, originator_version, topic, state FROM commits
JOIN stored_events ON ordinal >= first_ordinal AND ordinal < first_ordinal + events
WHERE void_reason IS NULL AND NOT EXISTS (
    SELECT 1 FROM kept.commits AS kept WHERE kept.commit_id = commits.commit_id AND kept.void_reason IS NULL
) ORDER BY ordinal"""


class LostEvent(msgspec.Struct, frozen=True):
    """An event that was acknowledged once; ``body`` as it stood on the log, empty where the replica was pruned."""

    commit_id: str
    ordinal: int
    originator_id: str
    originator_version: int
    type: str
    body: bytes


def lost_events(aside: Path, kept: Path) -> list[LostEvent]:
    """The events of accepted commits in ``aside`` that ``kept``, a replica of the log as it is now, has not accepted.

    In the order in which they stood. Changes neither file. Raises ``LogUnavailable`` for one that cannot be read.
    """
    for replica in (aside, kept):
        if not replica.is_file():
            raise LogUnavailable(f"there is no replica {replica}")
    try:
        with closing(sqlite3.connect(read_only_uri(aside), uri=True)) as connection:
            connection.execute("ATTACH ? AS kept", (read_only_uri(kept),))
            return [LostEvent(*row) for row in connection.execute(_LOST)]
    except sqlite3.Error as problem:
        raise unavailable(problem) from problem
