"""The report of a call whose words are on no log: told by the process that held it, once, or by nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.call.events import CallEnded, Warned
from domain.server_messages.access import Outgoing
from domain.server_messages.calls import REPORT
from domain.server_messages.server import Server
from media.call import last_report
from media.call.tenancy import TenantPorts
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, providers
from tests.unit.media.call.test_live_messages import URL, Taking
from tests.unit.media.call.test_retention import PCI, holding

SECRET = "four one one one"


async def held(folder: Path, posts: Taking, config: dict[str, Any], **settings: Any) -> list[Any]:
    """The events of a call in which the caller said the secret and was thanked."""
    tenants = TenantPorts(posts=posts)
    async with media_rig(folder, providers(SECRET, answers=("Thank you.",)), tenants=tenants, **settings) as rig:
        caller = await dial(rig, assistant(server={"url": URL, "secret": "s3cret"}, **config))
        await caller.until_said(1)
        await caller.speak(400)
        await caller.until_said(2)
        return await caller.hang_up()


def reports(posts: Taking) -> list[dict[str, Any]]:
    return [message for message in posts.messages if message["type"] == REPORT]


@pytest.mark.parametrize(("config", "settings"), [(PCI, {}), ({}, {"zero_data_retention": True})])
async def test_the_server_is_told_what_is_not_kept(
    tmp_path: Path, config: dict[str, Any], settings: dict[str, Any]
) -> None:
    posts = Taking()
    events = await held(tmp_path, posts, {"serverMessages": [REPORT], **config}, **settings)
    (report,) = reports(posts)
    assert [message["message"] for message in report["artifact"]["messages"][-2:]] == [SECRET, "Thank you."]
    assert SECRET in report["transcript"]
    assert report["endedReason"] == "manually-canceled"
    assert report["call"]["status"] == "ended"
    assert report["assistant"]["server"] == {"url": URL}
    assert report["durationSeconds"] > 0
    assert not of(events, CallEnded)[0].reports
    assert holding(tmp_path, SECRET) == []


async def test_the_log_reports_calls_whose_words_it_has(tmp_path: Path) -> None:
    posts = Taking()
    events = await held(tmp_path, posts, {"serverMessages": [REPORT]})
    assert reports(posts) == []
    assert of(events, CallEnded)[0].reports


@pytest.mark.parametrize(
    "config",
    [
        {"serverMessages": [REPORT], "compliancePlan": {"pciEnabled": True, "hipaaEnabled": True}},
        {"serverMessages": ["hang"], **PCI},
    ],
)
async def test_nobody_is_told_who_may_not_know_or_did_not_ask(tmp_path: Path, config: dict[str, Any]) -> None:
    posts = Taking()
    events = await held(tmp_path, posts, config)
    assert reports(posts) == []
    assert not of(events, CallEnded)[0].reports


class Moody(Taking):
    """``Posts`` that takes nothing before the given try."""

    def __init__(self, takes_at: int) -> None:
        super().__init__()
        self._takes_at = takes_at

    async def post(self, org_id: str, server: Server, request: Outgoing) -> str:
        await super().post(org_id, server, request)
        return "" if len(self.taken) >= self._takes_at else "refused"


async def test_a_server_that_does_not_take_it_is_asked_again_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_report, "PAUSES_S", (0.0, 0.0))
    config = {"serverMessages": [REPORT], **PCI}
    twice, never = Moody(2), Moody(100)
    assert [event.code for event in of(await held(tmp_path / "a", twice, config), Warned)] == []
    (warning,) = of(await held(tmp_path / "b", never, config), Warned)
    assert warning.code == "report-not-taken"
    assert len({request.id for _, _, request in twice.taken}) == 1
    assert (len(twice.taken), len(never.taken)) == (2, 3)
