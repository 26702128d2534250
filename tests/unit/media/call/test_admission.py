"""What lets another call in: as a pure function of what was measured, and against a process in virtual time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.call.admission import Load, call_share, judged
from media.call.settings import MediaSettings
from media.call.ticker import UNWATCHED, Work

SETTINGS = MediaSettings(max_calls=400)

works = st.just(UNWATCHED) | st.builds(
    Work, st.floats(0.2, 1.1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 400), st.integers(0, 100)
)
loads = st.builds(
    Load,
    held=st.integers(0, 500),
    running=st.integers(0, 400),
    starting=st.integers(0, 100),
    work=works,
    lag_ms=st.floats(0, 100),
    start_wait_ms=st.floats(0, 1_000),
    log_wait_ms=st.floats(0, 2_000),
    log_overflowing=st.booleans(),
)


@given(loads)
def test_room_is_never_beyond_the_bound_and_none_has_a_reason(load: Load) -> None:
    judgement = judged(load, SETTINGS)
    assert 0 <= judgement.room <= max(0, SETTINGS.max_calls - load.held)
    assert bool(judgement.room) != bool(judgement.reason)


@given(loads, st.sampled_from(["held", "running", "starting", "lag_ms", "start_wait_ms", "log_wait_ms"]), st.data())
def test_more_of_any_load_never_makes_more_room(load: Load, measure: str, data: st.DataObject) -> None:
    value = getattr(load, measure)
    more = data.draw(st.integers(1, 200) if isinstance(value, int) else st.floats(0, 2_000))
    assert judged(replace(load, **{measure: value + more}), SETTINGS).room <= judged(load, SETTINGS).room


@given(loads, st.floats(0, 1), st.sampled_from(["busy", "newest"]))
def test_the_busier_the_thread_the_less_room(load: Load, busy: float, when: str) -> None:
    busier = replace(load, work=load.work._replace(**{when: max(getattr(load.work, when), busy)}))
    assert judged(busier, SETTINGS).room <= judged(load, SETTINGS).room


@given(loads)
def test_whoever_comes_takes_one_place_at_once(load: Load) -> None:
    room = judged(load, SETTINGS).room
    after = replace(load, held=load.held + 1, starting=load.starting + 1)
    assert judged(after, SETTINGS).room == max(0, room - 1)


@given(works.map(lambda work: work._replace(running=0.0, begun=0, busy=0.0, newest=0.0)))
def test_a_process_with_nothing_to_do_takes_calls(work: Work) -> None:
    assert judged(Load(work=work), SETTINGS).room == 50


@pytest.mark.parametrize(
    "load",
    [
        Load(lag_ms=50.1),
        Load(start_wait_ms=500.1),
        Load(log_wait_ms=1_000.1),
        Load(log_overflowing=True),
        Load(held=400),
        Load(work=Work(1.0, 0.86, 0.5, 10.0, 0), running=10),
        Load(work=Work(0.2, 0.95, 0.95, 10.0, 0), running=10),
        Load(work=Work(1.0, 0.5, 0.5, 50.0, 0), running=50, starting=49),
        Load(work=Work(1.0, 0.1, 0.1, 70.0, 0), running=70, starting=70),
    ],
)
def test_each_measure_refuses_alone(load: Load) -> None:
    assert judged(load, SETTINGS).room == 0


def test_a_bound_of_one_does_not_look_at_work() -> None:
    busy = Load(held=300, running=300, work=Work(1.0, 1.0, 1.0, 300.0, 0))
    assert judged(busy, replace(SETTINGS, max_busy=1.0)).room == 100


@given(st.floats(0.001, 0.02))
def test_what_a_call_costs_is_learnt_from_those_that_run(cost: float) -> None:
    running = int(0.8 / cost)
    learnt = call_share(Work(1.0, running * cost, running * cost, float(running), 0), SETTINGS.call_share)
    assert abs(learnt - cost) <= abs(SETTINGS.call_share - cost)
    assert learnt == pytest.approx(cost, rel=0.5 if cost > 0.01 else 0.25)


# A process in virtual time.

STEP_S = 0.05


@dataclass
class Process:
    """A thread that serves calls, each at ``cost`` of its time, and starts them one after the other in what is left.

    The start of a call takes ``start_s`` of the thread's time.
    """

    cost: float
    start_s: float
    settings: MediaSettings
    running: int = 0
    line: deque[float] = field(default_factory=deque)
    """When those came that have not begun."""
    steps: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=round(1 / STEP_S)))
    longest_wait_s: float = 0.0
    put_in_s: float = 0.0

    def load(self, now_s: float) -> Load:
        work = UNWATCHED
        if self.steps:
            busy, running, begun = (sum(column) for column in zip(*self.steps, strict=True))
            newest = [busy for busy, _, _ in islice(self.steps, max(0, len(self.steps) - 5), None)]
            work = Work(
                len(self.steps) * STEP_S,
                busy / len(self.steps),
                sum(newest) / len(newest),
                running / len(self.steps),
                int(begun),
            )
        return Load(
            held=self.running + len(self.line),
            running=self.running,
            starting=len(self.line),
            work=work,
            start_wait_ms=(now_s - self.line[0]) * 1000 if self.line else 0.0,
        )

    def rings(self, now_s: float) -> bool:
        let_in = judged(self.load(now_s), self.settings).room > 0
        if let_in:
            self.line.append(now_s)
        return let_in

    def serve(self, now_s: float) -> float:
        """One step of time; which part of it the calls that run wanted."""
        wanted = self.running * self.cost
        # Starts are a step in each turn of the loop: a full one leaves them little, but some.
        self.put_in_s = min(self.put_in_s + max(1 - wanted, 0.05) * STEP_S, max(len(self.line), 1) * self.start_s)
        begun = 0
        while self.line and self.put_in_s >= self.start_s:
            self.put_in_s -= self.start_s
            self.longest_wait_s = max(self.longest_wait_s, now_s - self.line.popleft())
            begun += 1
        self.running += begun
        self.steps.append((min(1.0, wanted + begun * self.start_s / STEP_S), self.running, begun))
        return wanted


def offered(process: Process, per_s: float, lasting_s: float, call_s: float) -> tuple[float, int, int]:
    """The most that calls wanted of the thread, how many were let in, and how many ran at last."""
    ends: deque[float] = deque()
    most, let_in, due = 0.0, 0, 0.0
    for step in range(round(lasting_s / STEP_S)):
        now_s = step * STEP_S
        while ends and ends[0] <= now_s:
            ends.popleft()
            process.running -= 1
        due += per_s * STEP_S
        while due >= 1:
            due -= 1
            let_in += process.rings(now_s)
        before = process.running
        most = max(most, process.serve(now_s))
        ends.extend([now_s + call_s] * (process.running - before))
    return most, let_in, process.running


@settings(max_examples=60)
@given(st.floats(0.002, 0.01), st.floats(0.3, 1.5), st.floats(1, 200))
def test_however_fast_callers_ring_those_that_run_are_not_too_many_and_not_too_few(
    cost: float, start: float, per_s: float
) -> None:
    process = Process(cost, cost * start, SETTINGS)
    most, let_in, running = offered(process, per_s, lasting_s=30.0, call_s=1_000.0)
    assert most <= 1.15 + 1e-9  # a sum of many shares
    assert running <= let_in
    assert running * cost >= min(0.9 * SETTINGS.max_busy, 0.95 * SETTINGS.max_calls * cost, (29 * per_s - 1) * cost)


@settings(max_examples=30)
@given(st.floats(0.002, 0.01), st.floats(20, 200), st.floats(5, 20))
def test_as_calls_end_others_take_their_place_for_as_long_as_callers_ring(
    cost: float, per_s: float, call_s: float
) -> None:
    process = Process(cost, cost, SETTINGS)
    most, let_in, _ = offered(process, per_s, lasting_s=90.0, call_s=call_s)
    carried = min(SETTINGS.max_busy / (cost * (1 + 1 / call_s)), SETTINGS.max_calls)
    assert most <= 1.15
    assert let_in >= 0.75 * min(per_s, carried / call_s) * 90 - 1


def test_a_process_takes_calls_again_once_those_have_gone_that_filled_it() -> None:
    process = Process(0.005, 0.004, SETTINGS)
    offered(process, 100.0, lasting_s=5.0, call_s=1_000.0)
    assert judged(process.load(5.0), SETTINGS).room == 0
    process.running = 0
    for step in range(20):
        process.serve(5.0 + step * STEP_S)
    assert judged(process.load(6.0), SETTINGS).room >= 50
