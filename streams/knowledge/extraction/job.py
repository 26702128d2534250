"""What the limited process is asked, and what it answers. Both are small JSON files beside what it reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from streams.knowledge.extraction.limits import Limits

SOURCE: Final = "source"
TEXT: Final = "text.txt"
SEGMENT: Final = "segment.npz"
JOB: Final = "job.json"
OUTCOME: Final = "outcome.json"


class Extract(msgspec.Struct, frozen=True, kw_only=True, tag="extract"):
    """Read the text of the file ``SOURCE`` of a folder into ``TEXT``, and its index into ``SEGMENT``."""

    name: str
    media_type: str
    limits: Limits


class Index(msgspec.Struct, frozen=True, kw_only=True, tag="index"):
    """``SOURCE`` is text that was read before; only its index is wanted."""

    limits: Limits


Job = Extract | Index


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """It was read. ``kind`` is what it turned out to be, ``pages`` how many there are if there are any."""

    kind: str
    pages: int | None = None
    pieces: int = 0


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """It could not be read; see ``streams.knowledge.extraction.refusal``."""

    code: str
    reason: str


Outcome = Done | Refused


_OUTCOMES: Final[msgspec.json.Decoder[Outcome]] = msgspec.json.Decoder(Done | Refused)


def read_outcome(folder: Path) -> Outcome | None:
    """What the process left, if it came that far."""
    try:
        return _OUTCOMES.decode((folder / OUTCOME).read_bytes())
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
