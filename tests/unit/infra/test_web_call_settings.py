"""The settings of calls from browsers."""

from __future__ import annotations

import pytest

from domain.web_calls import IceServer
from infra.settings import Settings, SettingsInvalid, load
from infra.web_calls import opened_web_calls
from tests.unit.api.installation import ScriptedLiveCalls


async def test_servers_and_addresses_are_read_as_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_ICE_SERVERS", "stun:stun.example:3478, turn:me:hunter2@turn.example:3478")
    monkeypatch.setenv("CALLFOLD_WEBRTC_ADDRESSES", "")

    found = load()

    assert found.webrtc_addresses == ()
    assert "hunter2" not in repr(found)
    async with opened_web_calls(found, ScriptedLiveCalls()) as calls:
        assert list(calls.ice_servers) == [
            IceServer("stun:stun.example:3478"),
            IceServer("turn:turn.example:3478", "me", "hunter2"),
        ]


async def test_nobody_is_asked_unless_an_operator_says_so() -> None:
    async with opened_web_calls(Settings(), ScriptedLiveCalls()) as calls:
        assert list(calls.ice_servers) == []


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("CALLFOLD_ICE_SERVERS", "https://stun.example", "an ICE server is stun:host:port"),
        ("CALLFOLD_ICE_SERVERS", "turn:turn.example", "needs user:password@"),
        ("CALLFOLD_ICE_SERVERS", "stun:me:hunter2@stun.example", "takes no user and password"),
        ("CALLFOLD_WEBRTC_ADDRESSES", "calls.example", "give addresses such as 192.0.2.10"),
    ],
)
def test_what_cannot_be_used_is_said_without_its_passwords(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsInvalid) as refused:
        load()

    assert variable in str(refused.value)
    assert says in str(refused.value)
    assert "hunter2" not in str(refused.value)
