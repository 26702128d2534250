"""What a call's server is told as it happens: what was asked for, where it goes, in order, and never in the way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from domain.call.events import Warned
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import Configure, CreateOrganization
from domain.server_messages.access import Outgoing
from domain.server_messages.server import Server
from media.call.live_messages import KINDS, MOST_WAITING, LiveMessages
from media.call.tenancy import TenantPorts
from media.call.told import Told
from tests.unit.media.call.rig import ORG, media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, providers

URL = "https://hooks.acme.example/callfold"
EVERY_KIND = sorted(KINDS)


class Taking:
    """``Posts`` that keeps what it was given, and answers as told."""

    def __init__(self, failure: str = "") -> None:
        self.failure = failure
        self.held: asyncio.Event | None = None
        self.taken: list[tuple[str, Server, Outgoing]] = []

    async def post(self, org_id: str, server: Server, request: Outgoing) -> str:
        self.taken.append((org_id, server, request))
        if self.held is not None:
            await self.held.wait()
        return self.failure

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(request.body)["message"] for _, _, request in self.taken]


async def test_every_kind_is_told_in_order_with_the_common_fields(tmp_path: Path) -> None:
    posts = Taking()
    config = assistant(server={"url": URL, "secret": "s3cret"}, serverMessages=EVERY_KIND)
    async with media_rig(tmp_path, providers("what now"), tenants=TenantPorts(posts=posts)) as rig:
        caller = await dial(rig, config)
        await caller.until_said(1)
        await caller.speak(400)
        await caller.until_said(2)
        await caller.hang_up()
    told = posts.messages
    assert {message["type"] for message in told} == KINDS
    assert not [m for m in told if m["type"] == "transcript" and (m["role"], m["transcriptType"]) == ("user", "final")]
    assert [message["timestamp"] for message in told] == sorted(message["timestamp"] for message in told)
    for message in told:
        assert message["call"]["id"] == caller.call_id
        assert message["call"]["status"] in ("ringing", "in-progress")
        assert message["assistant"]["server"] == {"url": URL}
    assert {(org, server.url) for org, server, _ in posts.taken} == {(ORG, URL)}
    assert len({request.id for _, _, request in posts.taken}) == len(told)
    # The client is told the same; of the callers' finals the log tells the server.
    shown = [m for m in caller.messages if m["type"] in KINDS]
    assert [m["timestamp"] for m in shown if m["type"] == "speech-update"] == [
        m["timestamp"] for m in told if m["type"] == "speech-update"
    ]


async def test_speech_is_among_what_is_told_where_nothing_is_listed(tmp_path: Path) -> None:
    posts = Taking()
    async with media_rig(tmp_path, tenants=TenantPorts(posts=posts)) as rig:
        caller = await dial(rig, assistant(server={"url": URL}))
        await caller.until_said(1)
        await caller.hang_up()
    updates = [(m["type"], m["role"], m["status"], m["turn"]) for m in posts.messages]
    assert updates == [("speech-update", "assistant", "started", 0), ("speech-update", "assistant", "stopped", 0)]


async def test_the_organizations_server_is_told_where_the_assistant_has_none(tmp_path: Path) -> None:
    posts = Taking()
    async with media_rig(tmp_path, tenants=TenantPorts(posts=posts)) as rig:
        await rig.log.execute(ORGANIZATION, ORG, CreateOrganization(name="Acme"))
        await rig.log.execute(ORGANIZATION, ORG, Configure(changes={"server": {"url": URL}}))
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.hang_up()
    assert {server.url for _, server, _ in posts.taken} == {URL}


@pytest.mark.parametrize("config", [{"server": {"url": URL}, "serverMessages": ["status-update"]}, {}])
async def test_nothing_is_told_that_was_not_asked_for(tmp_path: Path, config: dict[str, Any]) -> None:
    posts = Taking()
    async with media_rig(tmp_path, tenants=TenantPorts(posts=posts)) as rig:
        caller = await dial(rig, assistant(**config))
        await caller.until_said(1)
        await caller.hang_up()
    assert posts.taken == []


async def test_a_server_that_takes_nothing_is_warned_of_once_and_the_call_goes_on(tmp_path: Path) -> None:
    posts = Taking(failure="timeout")
    async with media_rig(tmp_path, tenants=TenantPorts(posts=posts)) as rig:
        caller = await dial(rig, assistant(server={"url": URL}))
        await caller.until_said(1)
        events = await caller.hang_up()
    assert [w.code for w in of(events, Warned)] == ["server-message-not-taken"]
    assert len(posts.taken) == 2


async def test_what_a_slow_server_cannot_keep_up_with_is_left_out_oldest_first(tmp_path: Path) -> None:
    posts, warned = Taking(), list[str]()
    posts.held = asyncio.Event()
    async with media_rig(tmp_path) as rig:
        live = LiveMessages(
            posts,
            lambda config: Server(url=URL),
            Told("call-1", rig.log),
            org_id=ORG,
            about="call-1",
            warn=lambda code, detail: warned.append(code),
        )
        live.use({"serverMessages": ["model-output"]})
        async with live.sending():
            for number in range(MOST_WAITING + 50):
                live.tell({"type": "model-output", "output": str(number)})
            posts.held.set()
    assert [message["output"] for message in posts.messages] == [str(number) for number in range(50, MOST_WAITING + 50)]
    assert warned == ["server-messages-left-out"]
