"""Recorded calls step to the same outputs, version after version.

A file here is a promise about how calls are held. Where a change is meant to act differently, say so in the commit and
write the file anew: ``python -m tests.unit.media.machine.test_golden``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from media.machine.plan import CallPlan
from media.machine.replay import decode_input, encode_input, encode_output, replay
from tests.unit.media.machine.scenario import Scenario
from tests.unit.media.machine.test_many_calls import CONFIG, held

FOLDER = Path(__file__).parent / "golden"
SEEDS = (3, 7, 12, 21)


def recorded(call: Scenario) -> dict[str, Any]:
    """A call as it is kept here."""
    return {
        "assistant": CONFIG,
        "native": call.plan.start.smart == "native",
        "inputs": [[at_ms, encode_input(happened)] for at_ms, happened in call.fed],
        "outputs": [encode_output(output) for _, output in call.log],
    }


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_golden_call_steps_to_the_outputs_that_it_had(path: Path) -> None:
    kept = json.loads(path.read_text())
    plan = CallPlan.from_assistant(kept["assistant"], native_end_of_turn=kept["native"])
    steps = replay(plan, [(at_ms, decode_input(data)) for at_ms, data in kept["inputs"]])
    outputs = [json.loads(json.dumps(encode_output(output))) for made in steps for output in made]
    assert len(kept["outputs"]) > 20
    assert outputs == kept["outputs"]


def test_there_are_golden_calls() -> None:
    assert len(list(FOLDER.glob("*.json"))) == len(SEEDS)


if __name__ == "__main__":
    for seed in SEEDS:
        (FOLDER / f"seed-{seed}.json").write_text(json.dumps(recorded(held(seed)), separators=(",", ":")) + "\n")
