"""Analytics' wire, health, the documentation page, and what a draining node says."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest

from api.app import create_app
from api.routes.unbuilt import operations
from domain.analytics import AnalyticsUnavailable, QueryProblem, QueryRejected
from domain.organization.founding import Founding
from tests.unit.api.installation import Installation

QUERY = {"table": "call", "name": "n", "operations": [{"operation": "count", "column": "id"}]}


async def test_queries_are_handed_on_as_sent(
    client: httpx.AsyncClient, installation: Installation, founding: Founding
) -> None:
    installation.analytics.answer = [{"name": "n", "result": []}]
    queries = [{**QUERY, "groupBy": ["assistantId"], "timeRange": {"step": "day", "start": "2026-01-01"}}]
    answer = await client.post("/analytics", json={"queries": queries})
    assert (answer.status_code, answer.json()) == (200, [{"name": "n", "result": []}])
    assert installation.analytics.asked == [(founding.organization_id, queries)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({**QUERY, "table": "calls"}, "queries.0.table must be one of the following values: call, subscription"),
        ({**QUERY, "operations": []}, "queries.0.operations must contain at least 1 elements"),
        ({**QUERY, "groupBy": ["name"]}, "each value in queries.0.groupBy must be one of the following values: type, "),
        ({**QUERY, "timeRange": {"start": 1760000000}}, "queries.0.timeRange.start must be a string"),
        ({**QUERY, "limit": 1}, "queries.0.property limit should not exist"),
    ],
)
async def test_queries_of_the_wrong_shape(
    asking: httpx.AsyncClient, shared: Installation, query: dict[str, object], message: str
) -> None:
    answer = await asking.post("/analytics", json={"queries": [query]})
    assert answer.status_code == 400
    assert answer.json()["message"][0].startswith(message)
    assert shared.analytics.asked == []


async def test_what_the_analytics_store_refuses(client: httpx.AsyncClient, installation: Installation) -> None:
    installation.analytics.answer = QueryRejected(
        [QueryProblem("queries.0.operations.0.column", "must be one of id, cost")]
    )
    answer = await client.post("/analytics", json={"queries": [QUERY]})
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        ["queries.0.operations.0.column must be one of id, cost"],
    )
    assert answer.json()["errors"][0]["pointer"] == "/body/queries/0/operations/0/column"


async def test_an_analytics_store_that_does_not_answer(client: httpx.AsyncClient, installation: Installation) -> None:
    installation.analytics.answer = AnalyticsUnavailable("ClickHouse at https://db.internal:8443 refuses the password")
    answer = await client.post("/analytics", json={"queries": [QUERY]})
    assert (answer.status_code, answer.json()["code"]) == (503, "ANALYTICS_UNAVAILABLE")
    assert "db.internal" not in answer.text


async def test_health_needs_no_key_and_tells_when_no_work_is_taken(
    installation: Installation, founding: Founding, anonymous: httpx.AsyncClient
) -> None:
    assert (await anonymous.get("/health/live")).json() == {"status": "live", "version": "0.0-test"}
    assert (await anonymous.get("/health/ready")).status_code == 200
    draining = create_app(replace(installation.dependencies, readiness=lambda: (False, "the server is shutting down")))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(draining), base_url="https://x") as client:
        assert (await client.get("/health/live")).status_code == 200
        for path in ("/health", "/health/ready"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["reason"]) == (503, "the server is shutting down")
        refused = await client.post(
            "/call",
            json={"transport": {"provider": "vapi.websocket"}, "assistant": {}},
            headers={"authorization": f"Bearer {founding.private_key}"},
        )
    assert (refused.status_code, refused.json()["code"]) == (503, "NOT_READY")


async def test_a_node_in_trouble_says_so_and_leaves_the_refusal_to_what_cannot_be_done(
    installation: Installation, founding: Founding
) -> None:
    troubled = create_app(replace(installation.dependencies, trouble=lambda: "no space for the log"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(troubled), base_url="https://x") as client:
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["reason"]) == (503, "no space for the log")
        made = await client.post(
            "/call",
            json={"transport": {"provider": "vapi.websocket"}, "assistant": {}},
            headers={"authorization": f"Bearer {founding.private_key}"},
        )
    assert made.status_code == 201


async def test_the_root_leads_to_the_documentation(asking: httpx.AsyncClient) -> None:
    assert (await asking.get("/", follow_redirects=True)).url.path == "/docs"


async def test_the_openapi_document_is_complete(asking: httpx.AsyncClient) -> None:
    document = (await asking.get("/openapi.json")).json()
    assert (await asking.get("/openapi.json")).json() == document
    operations = [
        operation | {"at": f"{method} {path}"}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert {"post /call", "get /assistant", "post /analytics", "get /call/{id}/stereo-recording"} <= {
        operation["at"] for operation in operations
    }
    limit = next(p for p in document["paths"]["/call"]["get"]["parameters"] if p["name"] == "limit")
    assert (limit["schema"]["maximum"], limit["in"]) == (1000, "query")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


async def test_every_known_operation_that_is_not_built_says_so(
    anonymous: httpx.AsyncClient, founding: Founding
) -> None:
    known = list(operations())
    assert known
    key = {"authorization": f"Bearer {founding.private_key}"}
    for method, path, _ in known:
        concrete = re.sub(r"\{\w+\}", "x", path)
        answer = await anonymous.request(method, concrete, headers=key)
        assert answer.status_code == 501, concrete
        assert answer.json()["message"].startswith(f"{method} {concrete} (")
        assert (await anonymous.request(method, concrete)).status_code == 401
