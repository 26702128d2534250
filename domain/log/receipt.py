"""What a writer gets back for a commit: its verdict and, when accepted, its place in the shard."""

from __future__ import annotations

import msgspec

from domain.log.arbitration import Verdict
from domain.log.position import Position


class CommitIdReused(Exception):
    """Another commit already carries this id. Ids are chosen once per intent; re-sending means the same bytes."""

    def __init__(self, commit_id: str) -> None:
        super().__init__(
            f"commit id {commit_id!r} was used before for a different commit; "
            "re-send the same bytes, or choose a new id for a new intent"
        )
        self.commit_id = commit_id


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The settled outcome of a commit. Equal for every re-send of the same commit.

    ``ordinals`` are the places of its events in the shard, empty when the commit is void or only moved a tracking
    position.
    """

    commit_id: str
    verdict: Verdict
    shard: int
    ordinals: range

    @property
    def position(self) -> Position | None:
        """The position of the commit's last event; ``None`` when it put no event on the log."""
        return Position(self.shard, self.ordinals[-1]) if self.ordinals else None
