"""Events of configurations as rows: whose they are, and nothing that nobody may read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.configuration.kinds import EVENTS
from domain.event import Event, Recorded
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.processing import Rows
from projections.folds import EventTable
from projections.tables import events


def rows(*history: Event) -> list[dict[str, Any]]:
    table = EventTable()
    state, found = table.initial(), []
    for number, event in enumerate(history, start=1):
        recorded = Recorded("object", number, f"commit.{number}", datetime(2026, 11, 21, 9, tzinfo=UTC), event)
        state, effects = table.apply(state, Positioned(Position(0, number), recorded))
        for effect in effects:
            assert isinstance(effect, Rows)
            found += [
                dict(zip((column.name for column in events.TABLE.columns), row, strict=True)) for row in effect.rows
            ]
    return found


@pytest.mark.parametrize("kind", EVENTS)
def test_every_kind_belongs_to_the_organisation_that_made_it(kind: str) -> None:
    made = EVENTS[kind]
    found = rows(made.created(org_id="org", config={"name": "n"}), made.updated(changes={}), made.deleted())
    assert {row["org_id"] for row in found} == {"org"}
    assert {row["originator_kind"] for row in found} == {kind}


def test_secrets_do_not_reach_the_analysts() -> None:
    credential, tool = EVENTS["credential"], EVENTS["tool"]
    config = {"provider": "openai", "apiKey": "s3cret"}
    found = rows(credential.created(org_id="org", config=config), credential.updated(changes={"apiKey": "s3cret"}))
    found += rows(tool.created(org_id="org", config={"server": {"url": "u", "secret": "s3cret"}}))
    assert "s3cret" not in str(found)
    assert json.loads(found[0]["data"])["config"] == {"provider": "openai"}
