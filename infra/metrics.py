"""What ``GET /metrics`` says, in Prometheus's text format: this process, the log and its readers, and live figures.

Values are looked up when they are asked for; nothing is counted beside the work.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.aggregate import Aggregate
from domain.event import Event
from domain.live_calls import LiveCalls
from domain.live_figures import LiveFigures, LiveReport
from domain.log.ports import Appended, Clock, Commands, EventLog, LogUnavailable, Step
from domain.processing import DeadLetter
from infra.identifiers import now
from infra.live import Live
from infra.loop_lag import LoopLag, measured_loop_lag
from infra.projecting import Projecting
from infra.storage import Storage
from infra.webhooks import Webhooks
from streams.processing.embedded import EmbeddedRunner, Lag
from streams.processing.feeding import FeedStatus, FragmentFollower

if TYPE_CHECKING:
    from infra.streaming import Streaming

logger = logging.getLogger(__name__)

S = TypeVar("S")
C = TypeVar("C")

LIVE_FIGURES = "live-figures"
"""Name of the pipeline whose lag is known from the figures themselves, where another process runs it."""

LATENCY_MINUTES = 5
"""Over how long the quantiles of the stages are taken."""

_APPEND_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_QUANTILES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Measured:
    """Where the values come from: ``streams`` are pipelines of events, by shard, ``fragments`` those of fragments.

    Fragments and positions may ask the log, and raise ``LogUnavailable``; ``trouble`` says that it would not answer.
    """

    log: EventLog
    shards: Callable[[], Sequence[int]]
    live_calls: LiveCalls
    loop_lag: LoopLag
    clock: Clock
    streams: Callable[[], Iterable[tuple[str, int, Lag]]]
    fragments: Callable[[], Iterable[tuple[str, FeedStatus]]]
    letters: Callable[[], Iterable[DeadLetter]]
    figures: LiveFigures | None = None
    trouble: Callable[[], str] = lambda: ""


class Metrics:
    """A registry of its own, so that several systems in one process do not meet."""

    def __init__(self, measured: Measured, parts: Sequence[Collector] = ()) -> None:
        """``parts`` are those of this process that have figures of their own."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        for collector in (_Collector(measured), *parts):
            self._registry.register(collector)

        self._appends = Histogram(
            "callfold_append_seconds",
            "From a command, or facts to be recorded, to the acknowledged commit.",
            ("how",),
            buckets=_APPEND_BUCKETS,
            registry=self._registry,
        )

    def timed(self, commands: Commands) -> Commands:
        """The same commands, each of them timed."""
        return _Timed(commands, self._appends)

    def exposition(self) -> bytes:
        """Text format 0.0.4. Blocking for some indexed reads."""
        return generate_latest(self._registry)


class _Timed:
    """``Commands`` with a stopwatch. What was refused or failed does not count: it says nothing about appending."""

    def __init__(self, commands: Commands, seconds: Histogram) -> None:
        self._commands = commands
        self._executing, self._recording = seconds.labels("execute"), seconds.labels("record")

    async def execute(
        self, aggregate: Aggregate[S, C], originator_id: str, command: C, *, commit_id: str | None = None
    ) -> tuple[S, Appended]:
        began = monotonic()
        done = await self._commands.execute(aggregate, originator_id, command, commit_id=commit_id)
        self._executing.observe(monotonic() - began)
        return done

    async def execute_together(
        self, steps: Sequence[Step], *, commit_id: str | None = None
    ) -> tuple[tuple[Any, ...], Appended]:
        began = monotonic()
        done = await self._commands.execute_together(steps, commit_id=commit_id)
        self._executing.observe(monotonic() - began)
        return done

    async def record(
        self, originator_id: str, events: Sequence[Event], times: Sequence[datetime], *, commit_id: str | None = None
    ) -> Appended:
        began = monotonic()
        appended = await self._commands.record(originator_id, events, times, commit_id=commit_id)
        self._recording.observe(monotonic() - began)
        return appended


class _Collector(Collector):
    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not look anything up."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Everything, as it is now."""
        measured = self._measured
        yield _gauge(
            "callfold_calls_active",
            "Calls that run here, or anywhere as far as an API process has seen.",
            (((), measured.live_calls.active()),),
        )
        yield _gauge(
            "callfold_loop_lag_seconds",
            "Longest delay of this process's event loop in the last minute.",
            (((), measured.loop_lag.worst_seconds),),
        )
        heads = {shard: measured.log.head(shard).ordinal for shard in measured.shards()}
        yield _gauge(
            "callfold_log_position_events",
            "Events on the log as this process has seen it.",
            [((str(shard),), ordinal) for shard, ordinal in heads.items()],
            ("shard",),
        )
        yield from self._streams(heads)
        fragments = self._fragments_if_known()
        yield _gauge(
            "callfold_log_reachable",
            "1 where the log answers. Where it does not (0), what only it can tell is left out here.",
            (((), int(fragments is not None)),),
        )
        yield from fragments or ()
        yield _gauge(
            "callfold_dead_letters_events",
            "Parked events: those that a processor could not take, and those that wait behind them.",
            [((processor,), count) for processor, count in self._parked().items()],
            ("processor",),
        )
        if measured.figures is not None:
            yield from _live(measured.figures.reports(measured.clock(), LATENCY_MINUTES))

    def _streams(self, heads: Mapping[int, int]) -> Iterator[Metric]:
        measured = self._measured
        labels = ("pipeline", "shard")
        behind = GaugeMetricFamily(
            "callfold_stream_lag_events", "Events that a pipeline has not dealt with yet.", labels=labels
        )
        late = GaugeMetricFamily("callfold_stream_lag_seconds", "Age of the oldest of them.", labels=labels)
        counted_here = False
        for name, shard, lag in measured.streams():
            counted_here |= name == LIVE_FIGURES
            behind.add_metric((name, str(shard)), lag.events)
            late.add_metric((name, str(shard)), lag.seconds)
        if measured.figures is not None and not counted_here:
            for shard, position in measured.figures.reached().items():
                waiting = measured.log.read(position, 1)
                age = (measured.clock() - waiting[0].recorded.time).total_seconds() if waiting else 0.0
                behind.add_metric((LIVE_FIGURES, str(shard)), max(heads.get(shard, 0) - position.ordinal, 0))
                late.add_metric((LIVE_FIGURES, str(shard)), max(age, 0.0))
        yield behind
        yield late

    def _fragments_if_known(self) -> Sequence[Metric] | None:
        """Who scrapes does not wait long: a log that is known not to answer is not asked."""
        if self._measured.trouble():
            return None
        try:
            return tuple(self._fragments())
        except LogUnavailable as problem:
            logger.info("metrics.log_unavailable", extra={"reason": str(problem)})
            return None

    def _fragments(self) -> Iterator[Metric]:
        labels = ("pipeline", "partition")
        behind = GaugeMetricFamily(
            "callfold_fragments_lag_batches", "Batches of fragments that a pipeline has not carried yet.", labels=labels
        )
        late = GaugeMetricFamily("callfold_fragments_lag_seconds", "Age of the oldest of them.", labels=labels)
        for name, status in self._measured.fragments():
            for partition, batches in status.behind.items():
                behind.add_metric((name, str(partition)), batches)
                late.add_metric((name, str(partition)), status.seconds[partition])
        yield behind
        yield late

    def _parked(self) -> Mapping[str, int]:
        letters = {(letter.processor, letter.position) for letter in self._measured.letters()}
        return Counter(processor for processor, _ in letters)


def _live(reports: Mapping[str, LiveReport]) -> Iterator[Metric]:
    organization = ("organization",)
    yield _gauge(
        "callfold_live_calls_active",
        "Calls of an organization that run.",
        [((org_id,), report.active_calls) for org_id, report in reports.items()],
        organization,
    )
    # The current minute is not over; the one before it says how many come in a minute.
    last = {org_id: report.minutes[-2] for org_id, report in reports.items()}
    yield _gauge(
        "callfold_live_calls_started_per_minute",
        "Calls that began in the last full minute.",
        [((org_id,), minute.calls_started) for org_id, minute in last.items()],
        organization,
    )
    yield _gauge(
        "callfold_live_calls_ended_per_minute",
        "Calls that ended in the last full minute.",
        [((org_id,), minute.calls_ended) for org_id, minute in last.items()],
        organization,
    )
    yield _gauge(
        "callfold_live_call_minutes_per_minute",
        "Minutes of conversation in the last full minute, which is how many calls ran on average.",
        [((org_id,), minute.call_minutes) for org_id, minute in last.items()],
        organization,
    )
    yield _gauge(
        "callfold_live_fragments_per_minute",
        "Fragments that calls noted in the last full minute, by what they are.",
        [
            ((org_id, what), count)
            for org_id, minute in last.items()
            for what, count in (
                ("partial_transcript", minute.media.partial_transcripts),
                ("model_piece", minute.media.model_pieces),
                (
                    "other",
                    minute.media.fragments - minute.media.partial_transcripts - minute.media.model_pieces,
                ),
            )
        ],
        ("organization", "what"),
    )
    yield _gauge(
        "callfold_live_fragments_shed_per_minute",
        "Fragments that were given up in the last full minute because the log took them too slowly.",
        [((org_id,), minute.media.fragments_shed) for org_id, minute in last.items()],
        organization,
    )
    yield _gauge(
        "callfold_live_stage_seconds",
        f"Quantiles of how long a stage of a turn took, over the last {LATENCY_MINUTES} minutes.",
        [
            (
                (org_id, stage.assistant_id or "", stage.provider or "", stage.stage, f"{int(name[1:]) / 100:g}"),
                getattr(stage, name) / 1000,
            )
            for org_id, report in reports.items()
            for stage in report.stages
            for name in _QUANTILES
        ],
        ("organization", "assistant", "provider", "stage", "quantile"),
    )


def _gauge(
    name: str, text: str, values: Sequence[tuple[Sequence[str], float]], labels: Sequence[str] = ()
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


@contextlib.asynccontextmanager
async def opened_metrics(
    storage: Storage,
    projecting: Projecting | None,
    live: Live | None,
    live_calls: LiveCalls,
    streaming: Streaming | None = None,
    webhooks: Webhooks | None = None,
) -> AsyncIterator[Metrics]:
    """Of a process with these parts."""
    runners: list[tuple[int, EmbeddedRunner]] = []
    followers: list[FragmentFollower] = []
    for part in (projecting, live):
        if part is not None:
            runners += part.runners.items()
            followers += part.fragments
    if webhooks is not None:
        runners += webhooks.runners.items()

    def streams() -> Iterator[tuple[str, int, Lag]]:
        for shard, runner in runners:
            for name, status in runner.status().items():
                yield name, shard, status.lag
        for hosted in streaming.events if streaming is not None else ():
            for shard, status in hosted.status().items():
                yield hosted.pipeline.name, shard, status.lag

    def fragments() -> Iterator[tuple[str, FeedStatus]]:
        for follower in followers:
            yield follower.pipeline.name, follower.status()
        for hosted in streaming.fragments if streaming is not None else ():
            yield hosted.pipeline.name, hosted.status()

    def letters() -> Iterator[DeadLetter]:
        for _, runner in runners:
            yield from runner.dead_letters.list()
        for held in live.held if live is not None else ():
            yield from held.letters()
        if streaming is not None:
            yield from streaming.letters.list()

    async with measured_loop_lag() as lag:
        yield Metrics(
            Measured(
                log=storage.log,
                shards=storage.shards,
                live_calls=live_calls,
                loop_lag=lag,
                clock=now,
                streams=streams,
                fragments=fragments,
                letters=letters,
                figures=live.figures if live is not None else None,
                trouble=storage.trouble,
            ),
            webhooks.metrics() if webhooks is not None else (),
        )
