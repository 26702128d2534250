"""What happens inside a turn, beside what the configured waits and the providers take: thinking ahead, the first words
to the voice, barge-in, and how well history knows what was heard.

    python -m tests.benchmarks.turn_figures [--calls 10] [--turns 8]

Calls of one process with the log on a disk; callers and calls share its loop, so that the figures are a little worse
than those of a server on a core of its own (``voice_latency``). Providers with fixed delays: the transcriber's final
100 ms after the end of speech is noticed, the model's first token after 200 ms and 50 tokens a second, the voice's
first audio after 100 ms; endpointing is configured to 200 ms after the final. The baseline is their sum.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from domain.call.events import AssistantInterrupted, MessageCommitted, TurnMeasured
from domain.event import Event
from media.audio.framing import FRAME_MS, SILENCE
from media.machine.inputs import Input, PlayoutFinished, SpeechStarted, TimerFired
from media.machine.replay import decode_input
from media.providers.scripted import ScriptedLanguageModel, ScriptedSpeechToText, ScriptedTextToSpeech, tone
from tests.unit.media.call.rig import InMemorySocket, Rig, ScriptedProviders, media_rig

FINAL_MS, ENDPOINTING_MS, FIRST_TOKEN_MS, TOKEN_MS, FIRST_AUDIO_MS = 100.0, 200.0, 200.0, 20.0, 100.0
VOICE_SECONDS = 0.2
START_FRAMES = 4
HANGOVER_MS = 100
MS_PER_CHARACTER = 55.0
"""About the speed of speech, so that a cut falls into words."""
HEARD = "Please book the table."
ANSWER = "Certainly, I have booked the table by the window for you and for your guests this evening at eight o'clock."
CUT = "Certainly I have booked the table by the window for you and for your guests this evening at eight"
"""One piece for the voice, so that it is known when each word sounds."""
_LOUD = tone(FRAME_MS)


@dataclass
class Figure:
    """One line: what was measured, the values, and the goal they have."""

    name: str
    values: Sequence[float]
    goal: str
    unit: str = "ms"

    def row(self) -> tuple[str, ...]:
        if not self.values:
            return self.name, "nothing measured", "", "", self.goal
        middle, high, most = (float(np.percentile(self.values, percent)) for percent in (50, 95, 100))
        return self.name, *(f"{value:.1f} {self.unit}" for value in (middle, high, most)), self.goal


class Speaker(InMemorySocket):
    """A caller whose clock is absolute, and who knows when it has begun to speak and when the sound stopped."""

    def __init__(self, rig: Rig, call_id: str) -> None:
        super().__init__()
        self.serving = asyncio.create_task(rig.tier.serve(call_id, self))
        self._voiced = 0
        self.running = True

    async def microphone(self) -> None:
        """Frames for as long as the call lasts."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self.running:
            voiced = self._voiced > 0
            self._voiced -= voiced
            self.say(_LOUD if voiced else SILENCE)
            due += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))

    def talk(self, ms: int) -> None:
        self._voiced += ms // FRAME_MS

    def said(self, count: int) -> bool:
        finals = [m for m in self.messages if m["type"] == "transcript" and m["role"] == "assistant"]
        return len(finals) >= count

    def speaking(self, count: int) -> bool:
        updates = [m for m in self.messages if m["type"] == "speech-update" and m["role"] == "assistant"]
        return len([m for m in updates if m["status"] == "started"]) >= count


def providers(turns: int, answer: str, *, word_times: bool = True) -> ScriptedProviders:
    return ScriptedProviders(
        hearing=[ScriptedSpeechToText([HEARD] * (2 * turns + 2), final_delay_s=FINAL_MS / 1000)],
        thinking=[
            ScriptedLanguageModel(answers=(answer,), first_token_s=FIRST_TOKEN_MS / 1000, token_s=TOKEN_MS / 1000)
        ],
        speaking=[
            ScriptedTextToSpeech(
                ms_per_character=MS_PER_CHARACTER, first_audio_s=FIRST_AUDIO_MS / 1000, word_times=word_times
            )
        ],
    )


def assistant() -> dict[str, Any]:
    endpointing = {"onPunctuationSeconds": ENDPOINTING_MS / 1000, "onNoPunctuationSeconds": ENDPOINTING_MS / 1000}
    return {
        "firstMessage": "",
        "model": {"messages": [{"role": "system", "content": "You take reservations."}]},
        "startSpeakingPlan": {"waitSeconds": 0, "transcriptionEndpointingPlan": endpointing},
        "stopSpeakingPlan": {"numWords": 0, "voiceSeconds": VOICE_SECONDS, "backoffSeconds": 0},
        "silenceTimeoutSeconds": 120,
    }


@dataclass(frozen=True)
class Log:
    """One call: its events, and every input of its machine with the instant at which it was stepped."""

    events: list[Event]
    inputs: list[tuple[float, Input]]


async def held(folder: Path, calls: int, turns: int, *, cuts: bool, **settings: Any) -> list[Log]:
    """So many calls at once with so many answers each; with ``cuts`` the caller speaks over each of them."""
    word_times = settings.pop("word_times", True)
    async with media_rig(
        folder,
        providers(calls * turns, CUT if cuts else ANSWER, word_times=word_times),
        silence_hangover_ms=HANGOVER_MS,
        voice_start_frames=START_FRAMES,
        **settings,
    ) as rig:

        async def one(number: int) -> Log:
            call_id = await rig.create(assistant())
            await asyncio.sleep(number * 0.137)
            speaker = Speaker(rig, call_id)
            microphone = asyncio.create_task(speaker.microphone())
            for turn in range(1, turns + 1):
                speaker.talk(400)
                await speaker.until(partial(speaker.speaking, turn), 30)
                if cuts:
                    await asyncio.sleep(0.9 + 0.21 * ((number + turn) % 7))
                    speaker.talk(500)
                await speaker.until(partial(speaker.said, turn), 30)
                if cuts:
                    await asyncio.sleep(1.2)
            speaker.control(type="end-call")
            await speaker.serving
            speaker.running = False
            await microphone
            kept = rig.fragments.read(call_id)
            steps = [(each.at_ms, decode_input(each.data)) for each in kept if each.type == "machine.input"]
            return Log(rig.events(call_id), steps)

        return await asyncio.gather(*(one(number) for number in range(calls)))


def answer_figures(name: str, logs: Sequence[Log]) -> list[Figure]:
    turns = [event for log in logs for event in log.events if isinstance(event, TurnMeasured)]
    whole = HANGOVER_MS + FINAL_MS + ENDPOINTING_MS + FIRST_TOKEN_MS + FIRST_AUDIO_MS
    added = [turn.t7_ms - turn.t0_ms - whole for turn in turns if turn.t0_ms is not None and turn.t7_ms is not None]
    texts = [turn.t5_ms - turn.t4_ms for turn in turns if turn.t4_ms is not None and turn.t5_ms is not None]
    goal = "<= 0 ms" if name else "p50 / p95 <= 3 / 6 ms"
    return [
        Figure(f"added to a turn{name}", added, goal),
        Figure(f"first text to the voice after the first token{name}", texts, "<= 60 ms"),
    ]


def cut_figures(name: str, logs: Sequence[Log], goal: str) -> list[Figure]:
    """History against the sound: the scripted voice speaks every character equally long, so it is known which words the
    caller has heard at least half of when the sound is cut."""
    errors: list[float] = []
    for log in logs:
        cuts = {event.turn: event for event in log.events if isinstance(event, AssistantInterrupted)}
        for message in log.events:
            if isinstance(message, MessageCommitted) and message.interrupted and message.turn in cuts:
                heard_ms = cuts[message.turn].heard_ms
                heard = len([half for half in halves_of(CUT) if half * MS_PER_CHARACTER <= heard_ms])
                errors.append(float(abs(len(message.text.split()) - heard)))
    return [Figure(f"history against what was heard{name}", errors, goal, "words")]


def barge_in_figure(logs: Sequence[Log]) -> Figure:
    """From the end of the configured wait, counted from the caller's first voiced frame, to the sound being stopped."""
    late: list[float] = []
    for log in logs:
        voiced_ms, waited = 0.0, False
        for at_ms, happened in log.inputs:
            match happened:
                case SpeechStarted(at_ms=since_ms):
                    voiced_ms = since_ms
                case TimerFired(timer="voice"):
                    waited = True
                case PlayoutFinished(stopped=True) if waited:
                    late.append(at_ms - voiced_ms - VOICE_SECONDS * 1000)
                    waited = False
    return Figure("barge-in beyond the configured wait", late, "p95 <= 4 ms")


def halves_of(text: str) -> list[float]:
    """The place in the text up to which each word has to have been heard to count."""
    ends = [place for place, character in enumerate(text) if character == " "]
    starts = [0, *(end + 1 for end in ends)]
    return [(start + following) / 2 for start, following in zip(starts, [*starts[1:], len(text)], strict=True)]


async def measure(calls: int, turns: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="callfold-turns-") as scratch:
        root = Path(scratch)
        plain = await held(root / "plain", calls, turns, cuts=False, thinks_ahead=False)
        ahead = await held(root / "ahead", calls, turns, cuts=False, thinks_ahead=True)
        timed = await held(root / "timed", calls, turns, cuts=True)
        guessed = await held(root / "guessed", calls, turns, cuts=True, word_times=False)
    return [
        *answer_figures("", plain),
        *answer_figures(", thinking ahead", ahead),
        barge_in_figure([*timed, *guessed]),
        *cut_figures(", with word times", timed, "0 words"),
        *cut_figures(", without", guessed, "<= 1 word"),
    ]


def main() -> None:
    """Print the figures with their goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--turns", type=int, default=8)
    options = parser.parse_args()
    table = Table(title=f"{options.calls} calls at once, {options.turns} turns each")
    for column in ("figure", "p50", "p95", "most", "goal"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for figure in uvloop.run(measure(options.calls, options.turns)):
        table.add_row(*figure.row())
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
