"""What can happen to a person in front of the page, in a real browser: no mouse, no network, two windows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.demo import speech
from tests.end_to_end.chromium import Tab, browsing
from tests.end_to_end.person import Person
from tests.end_to_end.system_process import SystemProcess, running
from tests.use_cases import local

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]

SECONDS = 60.0
ASSISTANT = local(
    "You are Riley, the receptionist of a dentist.\n\n# Facts\nParking: There is free parking behind the house.\n",
    name="Riley",
    firstMessage="Hello, this is Riley.",
)
KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}
IN_CALL = "!document.getElementById('call').hidden"
STATUS = "document.getElementById('status').textContent"
FOCUS = "document.activeElement.id"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemProcess]:
    if reason := speech.missing_part():
        pytest.skip(reason)
    with running(tmp_path_factory.mktemp("page") / "data", CALLFOLD_WEBRTC_ADDRESSES="127.0.0.1") as started:
        yield started


def stored(system: SystemProcess, body: dict[str, Any], kind: str = "assistant") -> str:
    """The page's address for something that is stored now."""
    assert system.organization is not None
    with system.api(system.organization["privateKey"]) as api:
        created = api.post(f"/{kind}", json=body)
        assert created.status_code == 201, created.text
    return f"{system.url}/call-me?{kind}={created.json()['id']}#key={system.organization['publicKey']}"


async def press(tab: Tab, key: str) -> None:
    """On the keyboard."""
    number, text = KEYS[key]
    about = {"key": key, "code": {" ": "Space"}.get(key, key), "windowsVirtualKeyCode": number}
    await tab.command("Input.dispatchKeyEvent", type="keyDown", **about, **({"text": text} if text else {}))
    await tab.command("Input.dispatchKeyEvent", type="keyUp", **about)


def shows(words: str) -> str:
    return f"{STATUS}.includes({words!r}) && {STATUS}"


def reads(role: str, words: str) -> str:
    said = f'[...document.querySelectorAll("#transcript [data-role={role}]")].map((line) => line.textContent)'
    return f"{said}.find((text) => text.includes({words!r}))"


@asynccontextmanager
async def sitting(folder: Path, url: str) -> Any:
    """A tab with the page and a person in front of it."""
    async with browsing(folder) as tab:
        person = Person(tab, {})
        await person.sit_down(url)
        yield tab, person


async def test_a_person_without_a_mouse_calls_writes_mutes_and_hangs_up(system: SystemProcess, tmp_path: Path) -> None:
    async with sitting(tmp_path, stored(system, ASSISTANT)) as (tab, _):
        while await tab.evaluate(FOCUS) != "begin":
            await press(tab, "Tab")
        await press(tab, "Enter")
        await tab.until(IN_CALL, SECONDS)
        await press(tab, " ")
        muted = await tab.until(shows("muted"), SECONDS)
        assert await tab.evaluate("document.activeElement.textContent") == "Unmute"
        await tab.until(reads("assistant", "Hello"), SECONDS)
        while await tab.evaluate(FOCUS) != "text":
            await press(tab, "Tab")
        await tab.command("Input.insertText", text="is there parking")
        await press(tab, "Enter")
        answered = await tab.until(reads("assistant", "free parking"), SECONDS)
        while await tab.evaluate(FOCUS) != "end":
            await press(tab, "Tab")
        await press(tab, "Enter")
        ended = await tab.until(shows("over"), SECONDS)
        focus = await tab.evaluate(FOCUS)

    assert muted == "You are muted."
    assert answered.startswith("Riley")
    assert ended == "The call is over: you ended it (manually-canceled)."
    assert focus == "begin"


async def test_a_person_who_changes_their_mind_is_not_called(system: SystemProcess, tmp_path: Path) -> None:
    async with sitting(tmp_path, stored(system, ASSISTANT)) as (tab, _):
        await tab.evaluate("document.getElementById('begin').focus()")
        await press(tab, "Enter")
        await press(tab, "Enter")
        assert await tab.evaluate(STATUS) == "Cancelled."
        assert await tab.evaluate(FOCUS) == "begin"
        await press(tab, "Enter")
        await tab.until(IN_CALL, SECONDS)
        await tab.until(reads("assistant", "Hello"), SECONDS)

        assert await tab.evaluate(STATUS) == "Connected. Speak when you like."


async def test_two_windows_hold_two_calls(system: SystemProcess, tmp_path: Path) -> None:
    page = stored(system, ASSISTANT)
    async with sitting(tmp_path / "one", page) as (one, first), sitting(tmp_path / "two", page) as (two, second):
        await asyncio.gather(first.call(), second.call())
        await asyncio.gather(*(tab.until(reads("assistant", "Hello"), SECONDS) for tab in (one, two)))
        await one.evaluate("document.getElementById('end').click()")
        await one.until(shows("over"), SECONDS)

        assert await two.evaluate(IN_CALL) is True


async def test_a_person_whose_server_dies_is_told_so(tmp_path: Path) -> None:
    with running(tmp_path / "data", CALLFOLD_WEBRTC_ADDRESSES="127.0.0.1") as system:
        async with sitting(tmp_path, stored(system, ASSISTANT)) as (tab, person):
            await person.call()
            await tab.until(reads("assistant", "Hello"), SECONDS)
            await asyncio.to_thread(system.kill)
            interrupted = await tab.until(shows("interrupted"), SECONDS)
            await tab.until(shows("over"), SECONDS)
            read = await person.read()
            await person.call()
            again = await person.read()

    assert "Waiting for it to come back" in interrupted
    assert "The connection to the server was lost." in read.error
    assert "The server does not answer." in again.error


async def test_a_call_that_cannot_be_held_says_why(system: SystemProcess, tmp_path: Path) -> None:
    without_key = {"model": {"provider": "openai", "model": "gpt-4o"}, "firstMessage": "Hello."}
    async with sitting(tmp_path, stored(system, without_key)) as (tab, person):
        await person.call()
        await tab.until(shows("over"), SECONDS)
        read = await person.read()

    assert "Something went wrong in the call." in read.error
    assert "openai" in read.error
    assert read.transcript == ()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "assistant",
            {
                "transcriber": None,
                "model": None,
                "voice": None,
                "firstMessage": "Hello! What can I do for you?",
                "firstMessageInterruptionsEnabled": False,
                "firstMessageMode": "assistant-speaks-first",
                "voicemailDetection": None,
                "clientMessages": "conversation-update",
            },
        ),
        ("squad", {"name": "One", "members": [{"assistant": ASSISTANT}], "membersOverrides": None}),
    ],
    ids=["assistant", "squad"],
)
async def test_what_is_configured_as_vapis_document_shows_holds_a_call(
    system: SystemProcess, tmp_path: Path, kind: str, body: dict[str, Any]
) -> None:
    async with sitting(tmp_path, stored(system, body, kind)) as (tab, person):
        await person.call()
        await tab.until(reads("assistant", "Hello"), SECONDS)
        await tab.evaluate("document.getElementById('text').value = 'is there parking'")
        await tab.evaluate("document.getElementById('write').requestSubmit()")
        asked = await tab.until(reads("user", "parking"), SECONDS)
        await tab.until("document.querySelectorAll('#transcript [data-role=assistant]').length > 1", SECONDS)
        heard = await person.heard()
        await tab.evaluate("document.getElementById('end').click()")
        ended = await tab.until(shows("over"), SECONDS)

    assert asked.count("parking") == 1
    assert "you ended it" in ended
    assert abs(heard).max() > 2_000
