"""``/observability/scorecard``: how calls are scored. Scorecards are kept; nothing scores calls by them yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from api.configuration.references import Reference
from api.configuration.resource import Resource
from api.errors import Issue
from api.models.filters import PagedFilters
from api.models.scorecard import ScorecardBody
from domain.configuration.kinds import CONFIGURATIONS


class ScorecardFilters(PagedFilters):
    """``GET /observability/scorecard``."""

    id: str | None = None


def _rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    """Two metrics of one structured output would be told apart by nothing in the result."""
    seen: set[str] = set()
    for index, metric in enumerate(config["metrics"]):
        if metric["structuredOutputId"] in seen:
            text = f"metrics.{index}.structuredOutputId should not be that of another metric"
            yield Issue("INVALID_VALUE", text, f"/body/metrics/{index}/structuredOutputId")
        seen.add(metric["structuredOutputId"])


SCORECARDS: Final = Resource(
    aggregate=CONFIGURATIONS["scorecard"],
    path="/observability/scorecard",
    noun="scorecard",
    tag="Scorecards",
    body=ScorecardBody,
    style="page",
    filters=ScorecardFilters,
    rules=_rules,
    references=(
        Reference("metrics.*.structuredOutputId", "structured_output"),
        Reference("assistantIds.*", "assistant"),
    ),
    warning="scorecards are stored but calls are not scored by this version",
)
