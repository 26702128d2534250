"""Scorecards: what a metric may say, and of what."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

UNKNOWN = "4d0b4d3c-0000-4000-8000-000000000000"


def condition(**fields: Any) -> dict[str, Any]:
    return {"type": "comparator", "comparator": "=", "value": True, "points": 50, **fields}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"comparator": ">"}, "metrics.0.conditions.0.comparator must be one of the following values: ="),
        ({"points": 101}, "metrics.0.conditions.0.points must not be greater than 100"),
        ({"value": "yes"}, "metrics.0.conditions.0.value must be a number"),
        ({"type": "range"}, "metrics.0.conditions.0.type must be one of the following values: comparator"),
    ],
)
async def test_a_condition_is_judged_by_the_kind_of_its_value(
    asking: httpx.AsyncClient, fields: dict[str, Any], message: str
) -> None:
    metric = {"structuredOutputId": UNKNOWN, "conditions": [condition(**fields)]}
    answer = await asking.post("/observability/scorecard", json={"metrics": [metric]})
    assert (answer.status_code, answer.json()["message"]) == (400, [message])


async def test_a_scorecard_speaks_of_outputs_that_exist_and_of_each_once(asking: httpx.AsyncClient) -> None:
    schema = {"name": "score", "schema": {"type": "number"}}
    output = (await asking.post("/structured-output", json=schema)).json()["id"]
    metric = {"structuredOutputId": output, "conditions": [condition(comparator=">=", value=5)]}
    made = await asking.post("/observability/scorecard", json={"name": "quality", "metrics": [metric]})
    assert made.status_code == 201, made.text
    assert "not scored" in made.headers["warning"]
    path = f"/observability/scorecard/{made.json()['id']}"
    twice = await asking.patch(path, json={"metrics": [metric, metric]})
    assert twice.json()["message"] == ["metrics.1.structuredOutputId should not be that of another metric"]
    missing = await asking.patch(path, json={"metrics": [{**metric, "structuredOutputId": UNKNOWN}]})
    assert "Does Not Exist." in missing.json()["message"][0]
    page = (await asking.get("/observability/scorecard", params={"id": made.json()["id"]})).json()
    assert [scorecard["name"] for scorecard in page["results"]] == ["quality"]
    refused = await asking.post("/assistant", json={"artifactPlan": {"scorecardIds": [UNKNOWN]}})
    assert refused.status_code == 400
    assert (await asking.delete(path)).json()["metrics"] == [metric]
