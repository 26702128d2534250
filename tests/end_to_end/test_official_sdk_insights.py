"""Insights and boards through the official Python SDK: every method that it has for them."""

from __future__ import annotations

from typing import Any

import pytest
from vapi import Vapi
from vapi.core.api_error import ApiError

from tests.unit.api.installation import Installation

COUNT: dict[str, Any] = {"type": "vapiql-json", "table": "call", "column": "id", "operation": "count", "name": "n"}
INSIGHTS: list[dict[str, Any]] = [
    {"type": "bar", "queries": [COUNT], "groupBy": "assistantId", "timeRange": {"start": "-30d", "step": "week"}},
    {"type": "line", "queries": [COUNT], "formulas": [{"name": "double", "formula": "{{n}} * 2"}]},
    {"type": "pie", "queries": [COUNT], "groupBy": "endedReason"},
    {"type": "text", "queries": [COUNT], "name": "Calls"},
]


@pytest.mark.parametrize("body", INSIGHTS, ids=lambda body: body["type"])
def test_an_insight_lives_and_is_asked(vapi: Vapi, installation: Installation, body: dict[str, Any]) -> None:
    installation.analytics.answer = [{"n": 3}]
    made = vapi.insight.insight_controller_create(request=body)
    insight_id = str(made.id)
    assert vapi.insight.insight_controller_find_one(insight_id).type == body["type"]
    listed = vapi.insight.insight_controller_find_all(limit=10)
    assert [one.id for one in listed.results] == [insight_id]
    run = vapi.insight.insight_controller_run(insight_id, time_range_override={"start": "-1d"})
    assert (run.insight_id, run.model_dump()["result"]) == (insight_id, [{"n": 3}])
    preview = vapi.insight.insight_controller_preview(request=body)
    assert preview.model_dump()["result"] == [{"n": 3}]
    changed = vapi.insight.insight_controller_update(insight_id, request={"type": body["type"], "name": "Other"})
    assert changed.name == "Other"
    vapi.insight.insight_controller_remove(insight_id)
    with pytest.raises(ApiError):
        vapi.insight.insight_controller_find_one(insight_id)


def test_a_board_lives_beside_the_overview(vapi: Vapi) -> None:
    overview = vapi.board.board_controller_metrics_overview_ensure()
    assert vapi.board.board_controller_metrics_overview_ensure() == overview
    assert overview.system_key == "metrics-overview"
    made = vapi.board.board_controller_create(name="Desk", layout={"columns": 6}, items=overview.items)
    board_id = str(made.id)
    assert {one.id for one in vapi.board.board_controller_find_all().results} == {board_id, overview.id}
    changed = vapi.board.board_controller_update(board_id, name="Front desk")
    assert (changed.name, changed.items) == ("Front desk", made.items)
    assert vapi.board.board_controller_find_one(board_id).name == "Front desk"
    vapi.board.board_controller_remove(board_id)
    with pytest.raises(ApiError):
        vapi.board.board_controller_find_one(board_id)
