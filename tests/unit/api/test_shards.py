"""Positions name a shard of the log: one that there is."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.api.installation import OPERATOR_TOKEN


@pytest.mark.parametrize("path", ["/assistant", "/call"])
async def test_a_position_in_a_shard_that_the_log_does_not_have_is_refused(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path, headers={"x-callfold-position": "9:1"})

    assert answer.status_code == 400
    assert "the log has no shard 9" in str(answer.json()["message"])


async def test_events_are_read_from_a_shard_that_holds_some(client: httpx.AsyncClient) -> None:
    operator = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
    for answer in (
        await client.get("/event", params={"after": "9:0"}),
        await client.get("/operator/events", params={"after": "9:0"}, headers=operator),
    ):
        assert answer.status_code == 400
        assert answer.json()["message"] == ["after is in shard 9, and not in 0"]
