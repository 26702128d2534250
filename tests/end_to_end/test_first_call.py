"""A whole spoken call through the real stack: real processes, sockets, speech, tool server, log, tables, disk."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from infra.data_folder import DataFolder
from infra.demo.caller import Line
from infra.demo.evidence import claims
from infra.demo.inspection import Found
from infra.demo.run import hold_call, opened_stage
from infra.demo.script import AGREED, GOODBYE, assistant
from infra.demo.transcript import Transcript

pytestmark = pytest.mark.timeout(900)  # whole systems are started, which a busy machine does slowly

LINES = (
    Line(
        "i would like to book a cleaning on tuesday in the morning please",
        after_hearing_s=1.0,
        answer="on tuesday in the morning, for cleaning",
        rephrased="a cleaning on tuesday in the morning please",
    ),
    AGREED,
    GOODBYE,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    return DataFolder(tmp_path_factory.mktemp("first-call"))


@pytest.fixture(scope="module")
def held(folder: DataFolder) -> tuple[Found, Transcript]:
    """One call for every test of this module: it takes as long as people need to speak."""
    return asyncio.run(_hold(folder))


async def _hold(folder: DataFolder) -> tuple[Found, Transcript]:
    transcript = Transcript()
    console = Console(file=io.StringIO())
    async with opened_stage(console, folder.root, keep=False) as stage:
        receptionist = assistant(stage.tools_url) | {"firstMessageInterruptionsEnabled": True}
        found = await hold_call(stage, console, receptionist, LINES, lambda message: _take(transcript, message))
    return found, transcript


def _take(transcript: Transcript, message: dict[str, object]) -> None:
    transcript.take(message, 0.0)


def test_everything_the_demonstration_claims_really_happened(held: tuple[Found, Transcript]) -> None:
    judged = claims(held[0].evidence)

    assert [f"{claim.text}: {claim.shown_by}" for claim in judged if not claim.held] == []
    assert len(judged) == 8


def test_the_booking_reached_the_tool_server_as_it_was_spoken(held: tuple[Found, Transcript]) -> None:
    (appointment,) = held[0].evidence.appointments

    assert (appointment["day"], appointment["time"], appointment["service"]) == (
        "Tuesday",
        "nine o'clock",
        "cleaning",
    )


def test_the_caller_saw_both_transcripts_the_tools_and_the_end(held: tuple[Found, Transcript]) -> None:
    transcript = held[1]

    kinds = {entry.kind for entry in transcript.entries}
    assert kinds == {"assistant", "user", "tool", "note"}
    assert (transcript.state, transcript.ended_reason) == ("ended", "assistant-ended-call")
    assert all(entry.final for entry in transcript.entries if entry.kind == "assistant")


def test_every_answered_turn_was_measured_from_the_callers_last_sound_to_our_first(
    held: tuple[Found, Transcript],
) -> None:
    metrics = held[0].evidence.call["artifact"]["performanceMetrics"]
    answered = [turn for turn in metrics["turnLatencies"] if turn.get("turnLatency")]

    assert len(answered) >= len(LINES) - 1  # the goodbye is answered by hanging up
    for turn in answered:
        assert 0 < turn["turnLatency"] < 60_000  # milliseconds, on however busy a machine
        assert turn["endpointingLatency"] > 0


def test_the_call_stays_readable_after_the_system_has_stopped(
    held: tuple[Found, Transcript], folder: DataFolder
) -> None:
    command = (sys.executable, "-m", "infra.cli", "calls", "show", held[0].evidence.call["id"])

    shown = subprocess.run([*command, "--data-dir", str(folder.root)], capture_output=True, text=True, timeout=180)

    assert shown.returncode == 0, shown.stderr
    assert "assistant-ended-call" in shown.stdout
    assert "bookAppointment" in shown.stdout
    assert Path(held[0].recording).stat().st_size > 100_000
