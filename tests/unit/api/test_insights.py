"""Insights and boards over the API: what is refused and why, running and previewing, and the board everyone has."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from domain.analytics import InsightAsked, QueryProblem, QueryRejected
from tests.unit.api.installation import Installation

UNKNOWN = "4d0b4d3c-0000-4000-8000-000000000000"
COUNT: dict[str, Any] = {"type": "vapiql-json", "table": "call", "column": "id", "operation": "count", "name": "n"}
TEXT: dict[str, Any] = {"type": "text", "queries": [COUNT]}
OVERVIEW = "/reporting/board/default/metrics-overview"


def query(**changes: Any) -> dict[str, Any]:
    return {"type": "bar", "queries": [{**COUNT, **changes}]}


def filtered(column: str, operator: str, value: Any = None) -> dict[str, Any]:
    return query(filters=[{"column": column, "operator": operator, "value": value}])


def event(**changes: Any) -> dict[str, Any]:
    asked = {"type": "vapiql-json", "table": "events", "on": "call.ended", "operation": "count", "name": "n"}
    return {"type": "bar", "queries": [{**asked, **changes}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "radar"}, "type must be one of the following values: bar, line, pie, text"),
        ({"type": "bar", "queries": []}, "queries must be a list of 1 to 50 queries"),
        (query(column="costs"), "queries.0.column must be one of the following values: id, cost, duration"),
        (query(operation="avg"), "queries.0.operation must be one of the following values: count, average, sum"),
        (query(column="cost"), "operation must be one of the following values: average, sum, min, max for column cost"),
        (query(operation="sum"), "queries.0.operation must be one of the following values: count for column id"),
        (filtered("orgId", "="), "queries.0.filters.0.column must be one of the following values: assistantId"),
        (filtered("status", ">", "x"), "operator must be one of the following values: =, !=, contains, not_contains"),
        (filtered("cost", "contains", 1), "filters.0.operator must be one of the following values: =, !=, >, <"),
        (filtered("startedAt", "in", []), "filters.0.operator must be one of the following values: =, !=, >, <"),
        (filtered("cost", "=", "1"), "queries.0.filters.0.value must be a number"),
        (filtered("type", "=", 1), "queries.0.filters.0.value must be a string"),
        (filtered("type", "in", "x"), "filters.0.value must be a list of at most 1000 values for operator in"),
        (filtered("type", "in", ["x", 1]), "queries.0.filters.0.value.1 must be a string"),
        (filtered("endedAt", "<", "soon"), "queries.0.filters.0.value must be an ISO 8601 time"),
        (filtered("artifact.structuredOutputs[x]", "=", 1), "filters.0.column must be one of the following values"),
        (event(on="call.began"), "queries.0.on must be one of the following values: call.started, call.ended"),
        (event(operation="sum"), "queries.0.operation must be one of the following values: count, percentage"),
        (event(filters=[{"column": "reason", "operator": "not_contains", "value": "x"}]), "contains, notContains"),
        (event(filters=[{"column": "at_ms", "operator": "contains", "value": 1}]), "=, !=, >, <, >=, <= for a number"),
        ({**event(), "type": "line"}, "queries.0.table must be call: only insights of type bar count events"),
        ({**TEXT, "groupBy": "type"}, "property groupBy should not exist"),
        ({**query(), "groupBy": "status"}, "groupBy must be one of the following values: assistantId, workflowId"),
        ({**TEXT, "timeRange": {"step": "day"}}, "timeRange.property step should not exist"),
        ({**query(), "timeRange": {"step": "decade"}}, "timeRange.step must be one of the following values: minute"),
        ({**query(), "timeRange": {"start": "lately"}}, "timeRange.start must be an ISO 8601 time from 1970 to 2261"),
        ({**query(), "timeRange": {"timezone": "Berlin"}}, "timeRange.timezone must be an IANA time zone name"),
        ({**TEXT, "queries": [COUNT, {**COUNT, "name": "m"}]}, "queries must be exactly one query unless a formula"),
        ({**query(), "queries": [COUNT, COUNT]}, "queries.1.name must be a name of its own: another one is called n"),
        ({**TEXT, "formula": {"formula": "{{m}} + 1"}}, "formula.formula refers to 'm'; the queries are n"),
        ({**query(), "formulas": [{"formula": "n + import(1)"}]}, "formulas.0.formula has no function import"),
        ({**query(), "formulas": [{"formula": "1 + 1"}]}, "formulas.0.formula must refer to at least one query"),
        ({**query(), "formulas": [{"formula": "n", "name": "n"}]}, "formulas.0.name n names a query already"),
        ({**query(), "metadata": {"xAxisLabel": "x" * 41}}, "metadata.xAxisLabel must be shorter than or equal to 40"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_the_legal_choices(
    asking: httpx.AsyncClient, body: dict[str, Any], message: str
) -> None:
    for path in ("/reporting/insight", "/reporting/insight/preview"):
        answer = await asking.post(path, json=body)
        assert answer.status_code == 400, answer.text
        assert any(message in found for found in answer.json()["message"]), answer.json()["message"]


async def test_of_an_unknown_type_only_that_is_said(asking: httpx.AsyncClient) -> None:
    for path in ("/reporting/insight", "/reporting/insight/preview"):
        answer = await asking.post(path, json={**query(), "type": "radar", "shine": 1})
        assert answer.status_code == 400
        assert answer.json()["message"] == ["type must be one of the following values: bar, line, pie, text"]


async def test_a_change_is_judged_by_what_it_leads_to(asking: httpx.AsyncClient) -> None:
    body = {**query(), "formulas": [{"formula": "{{n}} * 2"}]}
    made = (await asking.post("/reporting/insight", json=body)).json()
    renamed = await asking.patch(f"/reporting/insight/{made['id']}", json={"queries": [{**COUNT, "name": "other"}]})
    assert renamed.json()["message"] == ["formulas.0.formula refers to 'n'; the queries are other"]
    turned = await asking.patch(f"/reporting/insight/{made['id']}", json={"type": "pie"})
    assert turned.json()["message"] == ["type cannot be changed from bar"]


async def test_a_run_hands_on_what_is_kept_and_what_is_sent(asking: httpx.AsyncClient, shared: Installation) -> None:
    made = (await asking.post("/reporting/insight", json=TEXT)).json()
    shared.analytics.answer = [{"n": 3}]
    plain = await asking.post(f"/reporting/insight/{made['id']}/run")
    assert (plain.status_code, plain.json()["result"]) == (200, [{"n": 3}])
    assert {"id", "insightId", "orgId", "createdAt", "updatedAt"} <= plain.json().keys()
    assert (plain.json()["insightId"], plain.json()["orgId"]) == (made["id"], made["orgId"])
    sent: dict[str, Any] = {
        "formatPlan": {"format": "recharts"},
        "timeRangeOverride": {"start": "-30d", "step": "week"},
        "assistantId": UNKNOWN,
    }
    assert (await asking.post(f"/reporting/insight/{made['id']}/run", json=sent)).status_code == 200
    assert shared.analytics.insights[-2:] == [
        InsightAsked(config=TEXT),
        InsightAsked(config=TEXT, time_range=sent["timeRangeOverride"], assistant_id=UNKNOWN, format="recharts"),
    ]


async def test_a_preview_keeps_nothing(asking: httpx.AsyncClient, shared: Installation) -> None:
    before = (await asking.get("/reporting/insight")).json()["metadata"]["totalItems"]
    shared.analytics.answer = [{"n": 1}]
    preview = await asking.post("/reporting/insight/preview", json=TEXT)
    assert (preview.status_code, preview.json()["result"]) == (200, [{"n": 1}])
    assert (await asking.get("/reporting/insight")).json()["metadata"]["totalItems"] == before


async def test_runs_that_cannot_be_are_refused(asking: httpx.AsyncClient, shared: Installation) -> None:
    assert (await asking.post(f"/reporting/insight/{UNKNOWN}/run")).status_code == 404
    made = (await asking.post("/reporting/insight", json=TEXT)).json()
    path = f"/reporting/insight/{made['id']}/run"
    wrong = await asking.post(path, json={"formatPlan": {"format": "csv"}, "timeRange": {}})
    assert (wrong.status_code, len(wrong.json()["message"])) == (400, 2)
    problem = QueryProblem("timeRangeOverride.start", "must be before the end")
    shared.analytics.answer = QueryRejected([problem])
    refused = await asking.post(path, json={"timeRangeOverride": {"start": "-1d", "end": "2020-01-01"}})
    assert refused.json()["message"] == ["timeRangeOverride.start must be before the end"]


class TestOverview:
    async def test_it_is_made_once_with_its_insights(self, asking: httpx.AsyncClient) -> None:
        first, *others = await asyncio.gather(*(asking.get(OVERVIEW) for _ in range(4)))
        assert all(other.json() == first.json() for other in others)
        board = first.json()
        assert (first.status_code, board["systemKey"], board["layout"]) == (200, "metrics-overview", {"columns": 6})
        listed = (await asking.get("/reporting/board")).json()["results"]
        assert [one["id"] for one in listed if one.get("systemKey")] == [board["id"]]
        shown = [item["insightId"] for item in board["items"] if item["type"] == "insight"]
        assert len(shown) == len(set(shown)) == 8
        for insight_id in shown:
            insight = (await asking.get(f"/reporting/insight/{insight_id}")).json()
            assert insight["systemKey"]
        places = [(item["position"]["x"], item["size"]["width"]) for item in board["items"]]
        assert all(x + width <= 6 for x, width in places)

    async def test_it_can_be_changed_and_comes_back_after_it_was_deleted(self, asking: httpx.AsyncClient) -> None:
        board = (await asking.get(OVERVIEW)).json()
        changed = await asking.patch(f"/reporting/board/{board['id']}", json={"name": "Ours"})
        assert (changed.status_code, changed.json()["systemKey"]) == (200, "metrics-overview")
        assert (await asking.get(OVERVIEW)).json()["name"] == "Ours"
        assert (await asking.delete(f"/reporting/board/{board['id']}")).status_code == 200
        again = (await asking.get(OVERVIEW)).json()
        assert (again["name"], again["id"] == board["id"]) == ("Overview", False)

    async def test_nobody_sets_the_key_of_the_system(self, asking: httpx.AsyncClient) -> None:
        body = {"name": "Mine", "layout": {"columns": 6}, "systemKey": "metrics-overview"}
        assert (await asking.post("/reporting/board", json=body)).json()["message"] == [
            "property systemKey should not exist"
        ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": {"columns": 5}}, "layout.columns must not be less than 6"),
        ({"name": "x" * 41}, "name must be shorter than or equal to 40 characters"),
        (
            {"items": [{"type": "table"}]},
            "items.0.type must be one of the following values: insight, failed_calls_list",
        ),
        (
            {"items": [{"type": "insight", "position": {"x": -1, "y": 0}, "size": {"width": 0, "height": 1}}]},
            "items.0.position.x must not be less than 0",
        ),
        (
            {
                "items": [
                    {
                        **{"type": "insight", "insightId": UNKNOWN},
                        **{"position": {"x": 0, "y": 0}, "size": {"width": 1, "height": 1}},
                    }
                ]
            },
            f"Couldn't Get Insight. `items.0.insightId` {UNKNOWN} Does Not Exist.",
        ),
        ({"timeRangeOverride": {"step": "second"}}, "timeRangeOverride.step must be one of the following values"),
    ],
)
async def test_boards_that_make_no_sense_are_refused(
    asking: httpx.AsyncClient, change: dict[str, Any], message: str
) -> None:
    answer = await asking.post("/reporting/board", json={"name": "b", "layout": {"columns": 6}, **change})
    assert answer.status_code == 400
    assert any(message in found for found in answer.json()["message"]), answer.json()["message"]


async def test_a_board_keeps_the_place_of_an_insight_that_was_deleted(asking: httpx.AsyncClient) -> None:
    insight = (await asking.post("/reporting/insight", json=TEXT)).json()
    place = {"position": {"x": 0, "y": 0}, "size": {"width": 1, "height": 1}}
    item = {"type": "insight", "insightId": insight["id"], **place}
    board = (
        await asking.post("/reporting/board", json={"name": "b", "layout": {"columns": 6}, "items": [item]})
    ).json()
    assert (await asking.delete(f"/reporting/insight/{insight['id']}")).status_code == 200
    assert (await asking.get(f"/reporting/board/{board['id']}")).json()["items"] == [item]
