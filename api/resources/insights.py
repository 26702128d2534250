"""``/reporting/insight``: questions over calls that are kept and asked again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from api.configuration.resource import Resource
from api.errors import Issue
from api.models.filters import PagedFilters
from api.models.insight import InsightBody
from domain.analytics import QueryRejected
from domain.configuration.kinds import CONFIGURATIONS
from domain.insights.definition import read_insight


class InsightFilters(PagedFilters):
    """``GET /reporting/insight``."""

    id: str | None = None


def insight_rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    """What is wrong with the insight as a whole."""
    try:
        read_insight(config)
    except QueryRejected as rejected:
        for problem in rejected.problems:
            code = "INVALID_CHOICE" if "one of the following values" in problem.reason else "INVALID_VALUE"
            yield Issue(code, f"{problem.path} {problem.reason}", "/body/" + problem.path.replace(".", "/"))


INSIGHTS: Final = Resource(
    aggregate=CONFIGURATIONS["insight"],
    path="/reporting/insight",
    noun="insight",
    tag="Insights",
    body=InsightBody,
    style="page",
    filters=InsightFilters,
    fixed="type",
    rules=insight_rules,
    shows={"systemKey": {"type": "string"}},
)
