"""What one step of the call machine costs, by kind of input.

    python -m tests.benchmarks.machine_step [--turns 30] [--runs 7]

The call has a history of ``--turns`` exchanges. The baseline is what the shell does with every input anyway: encoding
it as a ``machine.input`` fragment. Processor time, so that other work on the machine hardly shows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from media.machine import inputs
from media.machine.inputs import Input
from media.machine.replay import encode_input
from media.machine.state import MachineState
from media.machine.step import initial, step
from tests.unit.media.machine.scenario import Reply, Scenario

ANSWER = "We open at nine in the morning and close at five, on weekdays only. Shall I book a table for you?"


def thinking(turns: int) -> tuple[Scenario, MachineState]:
    """A call with a history, in the middle of a model's answer."""
    call = Scenario({"firstMessage": "Hello.", "maxDurationSeconds": 43_200})
    call.connect().run_until_quiet()
    for _ in range(turns):
        call.replies = [Reply(ANSWER)]
        call.hear("When do you open tomorrow?").run_until_quiet()
    call.hear("And on Sunday?").run(150)
    assert call.state.request is not None
    return call, call.state


def stepped_us(state: MachineState, happened: Sequence[Input], now_ms: float) -> float:
    began = time.process_time()
    for input in happened:
        state, _ = step(state, input, now_ms)
    return (time.process_time() - began) / len(happened) * 1e6


def encoded_us(happened: Sequence[Input]) -> float:
    began = time.process_time()
    for input in happened:
        msgspec.json.encode(encode_input(input))
    return (time.process_time() - began) / len(happened) * 1e6


def replayed_us(call: Scenario) -> float:
    began = time.process_time()
    state, _ = initial(call.plan)
    for at_ms, input in call.fed:
        state, _ = step(state, input, at_ms)
    return (time.process_time() - began) / len(call.fed) * 1e6


def main() -> None:
    """Print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    call, state = thinking(options.turns)
    request_id = state.request_count
    words = [f"{word} " for word in (ANSWER * 20).split()]
    tokens: list[Input] = [inputs.ModelText(request_id=request_id, text=word) for word in words]
    partials: list[Input] = [inputs.PartialHeard(text=" ".join(words[: n % 12 + 1])) for n in range(len(words))]
    table = Table(title=f"One step of the call machine, history of {options.turns} exchanges")
    for column in ("input", "step (µs)", "encoding the input (µs)"):
        table.add_column(column)
    for name, happened in (("model token", tokens), ("partial transcript", partials)):
        steps = [stepped_us(state, happened, call.now) for _ in range(options.runs)]
        encodings = [encoded_us(happened) for _ in range(options.runs)]
        table.add_row(name, f"{statistics.median(steps):.1f}", f"{statistics.median(encodings):.1f}")
    whole = [replayed_us(call) for _ in range(options.runs)]
    encodings = [encoded_us([input for _, input in call.fed]) for _ in range(options.runs)]
    table.add_row("a whole call, mean", f"{statistics.median(whole):.1f}", f"{statistics.median(encodings):.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
