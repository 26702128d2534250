"""Where an installation begins to deliver: an upgrade sends nothing of what happened before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from domain.log.position import Position
from domain.webhook.aggregate import ENDPOINT
from domain.webhook.commands import RecordDeliveries
from domain.webhook.events import OutboxStarted
from domain.webhook.outbox import OUTBOX, OUTBOX_ID
from domain.webhook.signature import endpoint_id
from infra.data_folder import DataFolder
from infra.identifiers import random_id
from infra.settings import LOOPBACK, Settings
from infra.storage import opened_storage
from tests.integration.webhooks.receiver import Received, Receiver
from tests.integration.webhooks.system import EACH, WANTED, Delivering, delivering


@asynccontextmanager
async def before(folder: Path, org_id: str) -> AsyncIterator[Delivering]:
    """The log as a version without webhooks would have it: nothing here looks for messages."""
    settings = Settings(data_dir=folder, egress_allow=LOOPBACK)
    with DataFolder(folder).own() as seat, opened_storage(settings, seat) as storage:
        yield Delivering(storage, None, org_id)  # type: ignore[arg-type]  # nothing here asks for them


def told_of(call_id: str, received: list[Received]) -> bool:
    return [one.message["call"]["id"] for one in received].count(call_id) == EACH


def lose_outbox(folder: Path) -> None:
    for file in folder.glob("webhooks.db*"):
        file.unlink()


async def test_what_happened_before_the_first_start_is_told_to_nobody(tmp_path: Path) -> None:
    org_id = random_id()
    async with Receiver() as receiver:
        async with before(tmp_path, org_id) as system:
            await system.call({"url": receiver.url}, serverMessages=WANTED)
            head = system.storage.log.head()
        for _ in range(2):
            async with delivering(tmp_path, org_id) as system:
                call_id = await system.call({"url": receiver.url}, serverMessages=WANTED)
                received = await receiver.until(partial(told_of, call_id))
                await system.settled()
                began = [
                    recorded.event
                    for recorded in (event.recorded for event in system.storage.log.read(Position(0, 0), 1_000))
                    if isinstance(recorded.event, OutboxStarted)
                ]
                assert began == [OutboxStarted(after=(str(head),))]
            # An outbox that is made again begins at the same event.
            lose_outbox(tmp_path)
        assert len(received) == len({one.id for one in received}) == 2 * EACH


async def test_an_installation_that_delivered_before_goes_on_with_what_is_undone(tmp_path: Path) -> None:
    org_id = random_id()
    async with Receiver() as receiver:
        async with before(tmp_path, org_id) as system:
            await system.call({"url": receiver.url}, serverMessages=WANTED)
            known = RecordDeliveries(org_id=org_id, origin="https://shop.example", facts=())
            await system.storage.log.execute(ENDPOINT, endpoint_id(org_id, "https://shop.example"), known)
        async with delivering(tmp_path, org_id) as system:
            await receiver.until(lambda all: len(all) == EACH)
            document = system.storage.log.get(OUTBOX.kind, OUTBOX_ID)
            assert document is not None
            assert document.state.begins_after(0) == Position(0, 0)


async def test_what_one_build_could_not_render_the_next_one_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    async with Receiver() as receiver:
        with monkeypatch.context() as build:
            build.setattr("streams.webhooks.outbox.rendered", broken)
            async with delivering(tmp_path) as system:
                org_id = system.org_id
                await system.call({"url": receiver.url}, serverMessages=WANTED)
                await system.caught_up()
                assert "a bug" in system.webhooks.held[0].letters()[0].reason
        async with delivering(tmp_path, org_id) as system:
            await receiver.until(lambda all: len(all) == EACH)
            await system.settled()
            assert system.webhooks.held[0].letters() == []
    receiver.assert_in_order()
