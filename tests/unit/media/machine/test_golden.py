"""Recorded calls step to the same outputs, version after version.

A file here is a promise about how calls are held. Where a change is meant to act differently, say so in the commit and
write the file anew: ``python -m tests.unit.media.machine.test_golden`` writes those that are missing.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from media.machine.plan import CallPlan
from media.machine.replay import decode_input, encode_input, encode_output, replay
from tests.unit.domain.specification import START
from tests.unit.media.machine.scenario import Scenario
from tests.unit.media.machine.test_many_calls import CONFIG, held
from tests.unit.media.machine.test_use_cases import FACTS, Held
from tests.use_cases import USE_CASES, UseCase

FOLDER = Path(__file__).parent / "golden"
SEEDS = (3, 7, 12, 21)


def recorded(call: Scenario, assistant: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """A call as it is kept here. ``facts`` are those of ``CallPlan.from_assistant``."""
    return {
        "assistant": assistant,
        "facts": facts,
        "inputs": [[at_ms, encode_input(happened)] for at_ms, happened in call.fed],
        "outputs": [encode_output(output) for _, output in call.log],
    }


def seeded(seed: int) -> dict[str, Any]:
    call = held(seed)
    return recorded(
        call,
        CONFIG,
        {"native_end_of_turn": call.plan.start.smart == "native", "thinks_ahead": call.plan.thinks_ahead},
    )


def of_use_case(case: UseCase) -> dict[str, Any]:
    return recorded(Held(case).whole(), case.first, {**FACTS, "clock_origin_ms": START.timestamp() * 1000})


GOLDEN: dict[str, Callable[[], dict[str, Any]]] = {
    **{f"seed-{seed}": partial(seeded, seed) for seed in SEEDS},
    **{case.name.replace(" ", "-"): partial(of_use_case, case) for case in USE_CASES},
}
"""Seeded calls with faults, and the documented use cases, each by its file's name."""


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_call_steps_to_the_outputs_that_it_had(name: str) -> None:
    kept = json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))
    plan = CallPlan.from_assistant(kept["assistant"], **kept["facts"])
    steps = replay(plan, [(at_ms, decode_input(data)) for at_ms, data in kept["inputs"]])
    outputs = [json.loads(json.dumps(encode_output(output))) for made in steps for output in made]
    assert len(kept["outputs"]) > 20
    assert outputs == kept["outputs"]


if __name__ == "__main__":
    for name, made in GOLDEN.items():
        path = FOLDER / f"{name}.json.gz"
        if not path.exists():
            path.write_bytes(gzip.compress(json.dumps(made()).encode(), mtime=0))
