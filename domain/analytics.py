"""What the API and the command line may ask of the analytics store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec


class QueryProblem(msgspec.Struct, frozen=True):
    """``path`` is the dotted wire path (``queries.0.operations.1.column``), ``reason`` names the legal choices."""

    path: str
    reason: str


class QueryRejected(Exception):
    """The query asks for something that does not exist. Nothing was run."""

    def __init__(self, problems: Sequence[QueryProblem]) -> None:
        super().__init__("; ".join(f"{p.path} {p.reason}" for p in problems))
        self.problems = tuple(problems)


class AnalyticsUnavailable(Exception):
    """The store does not answer now. The message says which, why, and what to do; it is for operators, not tenants."""


class SqlResult(msgspec.Struct, frozen=True):
    """``types`` are ClickHouse type names; ``rows`` hold Python values in column order."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    elapsed_ms: float


class InsightAsked(msgspec.Struct, frozen=True, kw_only=True):
    """One run of an insight, whose configuration is ``config``.

    ``time_range`` takes the place of the configuration's, all of it; ``assistant_id`` narrows what is asked of calls.
    """

    config: dict[str, Any]
    time_range: dict[str, Any] | None = None
    assistant_id: str | None = None
    format: str = "raw"


class Analytics(Protocol):
    """Reads of the ClickHouse projections."""

    async def run(self, org_id: str, queries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer ``POST /analytics`` queries, one result each, in order.

        Raises ``QueryRejected`` and ``AnalyticsUnavailable``.
        """

    async def sql(self, statement: str, *, org_id: str | None = None, limit: int = 10_000) -> SqlResult:
        """An analyst's own read-only statement, with time and memory caps. Raises the same."""

    async def insight(self, org_id: str, asked: InsightAsked) -> dict[str, Any]:
        """Answer an insight: ``format``, the ``timeRange`` that was meant, and ``result``, its rows; ``notRecorded``
        names events that it counts and that are never recorded here. Raises the same.
        """
