"""The live figures' table: giving up waiting for the brokers leaves what Faust still has on its way as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from domain.log.position import Position
from domain.processing import Rows, SinkUnavailable
from streams.faust import live_table
from streams.faust.app import quiet_app
from streams.faust.live_table import LiveTable
from streams.kafka.location import KafkaLocation
from streams.live_figures.entries import Changes, Entry

LOCATION = KafkaLocation.parse("kafka://127.0.0.1:1")


def two_gone(entries: Mapping[str, Entry], last: Position, rows: Iterable[Rows]) -> Changes:
    return {"call": None, "position": None}


async def test_an_acknowledgement_that_comes_too_late_finds_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = quiet_app(LOCATION, "live-figures", tmp_path)
    app.loop = asyncio.get_running_loop()
    table = LiveTable(app, LOCATION, 1, fold=two_gone)
    on_their_way: list[asyncio.Future[object]] = []

    def sent(*_: Any, **__: Any) -> asyncio.Future[object]:
        on_their_way.append(asyncio.get_running_loop().create_future())
        return on_their_way[-1]

    monkeypatch.setattr(table._table, "send_changelog", sent)
    monkeypatch.setattr(live_table, "SEND_SECONDS", 1.0)
    with pytest.raises(SinkUnavailable, match="no broker acknowledged the live figures"):
        await asyncio.to_thread(table.write, Position(0, 1), Position(0, 1), [])
    (late,) = on_their_way
    assert not late.cancelled()
    late.set_result(None)
    await asyncio.sleep(0)
    assert len(on_their_way) == 1, "the position behind it is not sent by who has given up"
