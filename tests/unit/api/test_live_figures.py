"""``GET /live`` and ``GET /metrics``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import jsonschema_rs
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.models.live_figures import answer_schema
from domain.call.events import CallCreated, CallStarted, TurnMeasured
from domain.fragments import Fragment, FragmentBatch, PlacedBatch
from domain.log.ports import LogUnavailable
from domain.log.position import Position
from domain.organization.founding import Founding
from domain.processing import DeadLetter, Rows
from infra.loop_lag import LoopLag
from infra.metrics import Measured, Metrics
from streams.live_figures.facts import LiveCall, LiveFacts
from streams.live_figures.file import LiveFigureFile
from streams.live_figures.kept import KeptFigures
from streams.live_figures.media_entries import fold_media
from streams.live_figures.media_facts import LiveMedia
from streams.processing.embedded import Lag
from streams.processing.feeding import FeedStatus
from tests.unit.api.application import application
from tests.unit.api.installation import OPERATOR_TOKEN, Installation


async def a_call(installation: Installation, org_id: str) -> None:
    """Begins now, and has one turn."""
    created = CallCreated(org_id=org_id, type="webCall", request={}, transport={}, assistant_id="frida")
    time = installation.clock()
    started = CallStarted(clock_origin=time, at_ms=0.0, assistant={"model": {"provider": "openai"}})
    turn = TurnMeasured(turn=1, source="model", t3_ms=0.0, t4_ms=500.0)
    await installation.log.record(f"call-of-{org_id}", [created, started, turn], [time] * 3)


def nothing() -> LiveFigureFile:
    return LiveFigureFile(":memory:", version=1)


def counted(installation: Installation, until: Position, *, media_of: str) -> KeptFigures:
    """The figures of what is on the log up to a position."""
    facts, states, rows = LiveFacts(), dict[str, LiveCall](), list[Rows]()
    for event in installation.log.read(Position(0, 0), until.ordinal, facts.handles):
        call_id = event.recorded.originator_id
        states[call_id], made = facts.apply(states.get(call_id, facts.initial()), event)
        rows += made
    calls, media = nothing(), LiveFigureFile(":memory:", version=1, fold=fold_media)
    calls.write(Position(0, 1), until, rows)
    noted = FragmentBatch(
        call_id="a-call",
        source="media-1",
        org_id=media_of,
        started_at=installation.clock(),
        fragments=(
            Fragment(seq=0, type="machine.input", at_ms=10.0, data={"input": "PartialHeard", "text": "hel"}),
            Fragment(seq=1, type="machine.input", at_ms=20.0, data={"input": "ModelText", "text": "Good"}),
            Fragment(seq=2, type="mark.t4", at_ms=30.0, data={"turn": 1, "at_ms": 29.0}),
        ),
        dropped=4,
    )
    media.write(Position(0, 1), Position(0, 1), list(LiveMedia().apply(0, PlacedBatch(1, noted))))
    return KeptFigures(calls, media)


def serving(installation: Installation, **changed: Any) -> httpx.AsyncClient:
    app = application(replace(installation.dependencies, **changed), "serving")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_an_organization_sees_its_own_calls_and_how_far_they_are_counted(
    installation: Installation, founding: Founding
) -> None:
    await a_call(installation, founding.organization_id)
    await a_call(installation, "another")
    figures = counted(installation, installation.log.head(), media_of=founding.organization_id)
    await a_call(installation, "one-more")
    installation.clock.forward(seconds=30)
    async with serving(installation, live_figures=figures) as client:
        answer = await client.get("/live", params={"minutes": 2}, headers=bearer(founding.private_key))
    assert answer.status_code == 200
    body = answer.json()
    jsonschema_rs.validate(answer_schema(), body)
    assert body["eventsBehind"] == 3
    assert body["position"] == str(Position(0, installation.log.head().ordinal - 3))
    found = body["figures"]
    assert found["activeCalls"] == 1
    assert found["byAssistant"] == [{"assistantId": "frida", "calls": 1}]
    assert [minute["callsStarted"] for minute in found["minutes"]] == [0, 1]
    assert [minute["media"]["fragments"] for minute in found["minutes"]] == [0, 3]
    assert found["minutes"][1]["media"] == {
        "partialTranscripts": 1,
        "modelPieces": 1,
        "fragments": 3,
        "fragmentsShed": 4,
    }
    assert found["minutes"][1]["callMinutes"] == pytest.approx(0.5, abs=0.01)
    assert [(stage["stage"], stage["provider"], stage["count"]) for stage in found["stages"]] == [
        ("model", "openai", 1)
    ]
    assert found["stages"][0]["p95"] == pytest.approx(500, rel=0.025)


@pytest.mark.parametrize("minutes", ["0", "61", "many"])
async def test_minutes_that_are_not_kept_are_refused(
    installation: Installation, founding: Founding, minutes: str
) -> None:
    async with serving(installation, live_figures=KeptFigures(nothing())) as client:
        answer = await client.get("/live", params={"minutes": minutes}, headers=bearer(founding.private_key))
    assert answer.status_code == 400
    assert "minutes" in str(answer.json()["message"])


async def test_where_nobody_counts_it_is_said(installation: Installation, founding: Founding) -> None:
    async with serving(installation, live_figures=KeptFigures(nothing())) as client:
        answer = await client.get("/live", headers=bearer(founding.private_key))
        assert (answer.status_code, answer.json()["code"]) == (503, "NOT_CAUGHT_UP")
        assert "callfold stream" in answer.json()["detail"]
        assert (await client.get("/live", headers=bearer(founding.public_key))).status_code == 401
    async with serving(installation) as client:
        assert (await client.get("/live", headers=bearer(founding.private_key))).status_code == 501


async def test_metrics_are_for_the_operator_and_for_who_scrapes(installation: Installation) -> None:
    settings = replace(installation.dependencies.settings, metrics_token="scrape")
    async with serving(installation, settings=settings, metrics=lambda: b"one 1\n") as client:
        for token in ("scrape", OPERATOR_TOKEN):
            answer = await client.get("/metrics", headers=bearer(token))
            assert (answer.status_code, answer.text) == (200, "one 1\n")
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert (await client.get("/metrics", headers=bearer("another"))).status_code == 401
        assert (await client.get("/metrics")).status_code == 401
        # The token of who scrapes opens nothing else.
        assert (await client.get("/operator/status", headers=bearer("scrape"))).status_code == 401


async def test_metrics_say_what_the_log_the_figures_and_the_appends_are(installation: Installation) -> None:
    await a_call(installation, "acme")
    figures = counted(installation, installation.log.head(), media_of="acme")
    installation.live_calls.running.add("call-of-acme")
    parked = DeadLetter(
        processor="events", originator_id="call-of-acme", position=Position(0, 2), reason="odd", attempt=1
    )
    metrics = Metrics(
        Measured(
            log=installation.log,
            shards=lambda: (0,),
            live_calls=installation.live_calls,
            loop_lag=LoopLag(),
            clock=lambda: installation.clock.now + timedelta(seconds=61),
            streams=lambda: [("tables", 0, Lag(7, 1.5))],
            fragments=lambda: [("fragments", FeedStatus(batches=3, behind={0: 2}, seconds={0: 0.5}))],
            letters=lambda: [parked, parked],
            figures=figures,
        )
    )
    await metrics.timed(installation.log).record(
        "call-of-acme", [TurnMeasured(turn=2, source="model")], [installation.clock()]
    )
    families = text_string_to_metric_families(metrics.exposition().decode())
    found = {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    assert found["callfold_calls_active", ()] == 1
    assert found["callfold_log_reachable", ()] == 1
    assert found["callfold_log_position_events", ("0",)] == 4
    assert found["callfold_stream_lag_events", ("live-figures", "0")] == 1
    assert found["callfold_stream_lag_seconds", ("live-figures", "0")] > 60
    assert found["callfold_live_calls_active", ("acme",)] == 1
    assert found["callfold_live_calls_started_per_minute", ("acme",)] == 1
    assert found["callfold_live_stage_seconds", ("frida", "acme", "openai", "0.95", "model")] == pytest.approx(
        0.5, rel=0.025
    )
    assert found["callfold_stream_lag_events", ("tables", "0")] == 7
    assert found["callfold_stream_lag_seconds", ("tables", "0")] == 1.5
    assert found["callfold_fragments_lag_batches", ("0", "fragments")] == 2
    assert found["callfold_fragments_lag_seconds", ("0", "fragments")] == 0.5
    assert found["callfold_dead_letters_events", ("events",)] == 1
    assert found["callfold_live_fragments_per_minute", ("acme", "partial_transcript")] == 1
    assert found["callfold_live_fragments_per_minute", ("acme", "other")] == 1
    assert found["callfold_live_fragments_shed_per_minute", ("acme",)] == 4
    assert found["callfold_append_seconds_count", ("record",)] == 1
    assert found["process_resident_memory_bytes", ()] > 0


@pytest.mark.parametrize("known", [True, False])
def test_while_the_log_does_not_answer_metrics_say_so_and_tell_the_rest(
    installation: Installation, known: bool
) -> None:
    def away() -> list[tuple[str, FeedStatus]]:
        assert not known, "a log that is known not to answer is not waited for"
        raise LogUnavailable("no broker answers")

    metrics = Metrics(
        Measured(
            log=installation.log,
            shards=lambda: (0,),
            live_calls=installation.live_calls,
            loop_lag=LoopLag(),
            clock=installation.clock,
            streams=lambda: [("tables", 0, Lag(7, 1.5))],
            fragments=away,
            letters=lambda: [],
            trouble=lambda: "no heartbeat comes back" if known else "",
        )
    )
    samples = [s for family in text_string_to_metric_families(metrics.exposition().decode()) for s in family.samples]
    found = {sample.name: sample.value for sample in samples}
    assert found["callfold_log_reachable"] == 0
    assert found["callfold_stream_lag_events"] == 7
    assert "callfold_fragments_lag_batches" not in found
