"""The port through which conversations look things up in what was uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

USUAL_PASSAGES = 5
MOST_PASSAGES = 20
MOST_CHARACTERS = 6_000
"""Of all passages of one answer together: what a model reads in a moment, and a call can wait for."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A named group of what is searched: one entry of a query tool, or a knowledge base with its attached files."""

    name: str = ""
    file_ids: tuple[str, ...] = ()
    knowledge_base_id: str = ""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a file that fits a question. ``score`` is 0 to 1, comparable within one answer only.

    ``number`` counts the pieces of the file from 1, ``page`` its pages where it has any, ``heading`` is the path of
    headings that the piece stands under (``Prices > Cleaning``).
    """

    text: str
    file_id: str
    file_name: str
    number: int
    score: float
    page: int | None = None
    heading: str = ""


class NotSearched(msgspec.Struct, frozen=True, kw_only=True):
    """A file or a knowledge base that was asked for and could not be looked into, and why."""

    id: str
    reason: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The best passages, best first, at most ``MOST_CHARACTERS`` long together; empty when nothing fits."""

    passages: tuple[Passage, ...] = ()
    not_searched: tuple[NotSearched, ...] = ()


class Knowledge(Protocol):
    """Searches the files of an organisation. No network, no model: the same files and question give the same answer."""

    async def search(self, org_id: str, sources: Sequence[Source], query: str, *, limit: int = USUAL_PASSAGES) -> Found:
        """What ``sources`` say about ``query``, off the event loop.

        Nothing is raised for ids that do not exist, are another organisation's, or are not indexed yet: they stand in
        ``not_searched``.
        """


class NoKnowledge:
    """Where nothing can be searched: says so for everything that is asked for."""

    async def search(self, org_id: str, sources: Sequence[Source], query: str, *, limit: int = USUAL_PASSAGES) -> Found:
        """As ``Knowledge.search``."""
        asked = [each for source in sources for each in (*source.file_ids, source.knowledge_base_id) if each]
        return Found(
            not_searched=tuple(NotSearched(id=each, reason="this process does not search files") for each in asked)
        )
