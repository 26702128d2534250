"""From entries to what ``GET /live`` shows one organisation, and what ``GET /metrics`` shows of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from domain.live_figures import ActiveCalls, LiveReport, MediaFigures, MinuteFigures, StageFigures
from streams.live_figures.delays import Delays, merged, quantile_ms
from streams.live_figures.entries import MINUTE, ActiveCall, Entry, MediaSource, Minute, Reached, seconds_within


def report(entries: Iterable[tuple[str, Entry]], org_id: str, now: datetime, minutes: int) -> LiveReport:
    """One organisation's figures over the ``minutes`` that end with the one that ``now`` is in."""
    own = [(key, entry) for key, entry in entries if key.partition("|")[2].startswith(f"{org_id}|")]
    return _report(own, now, minutes)


def reports(entries: Iterable[tuple[str, Entry]], now: datetime, minutes: int) -> Mapping[str, LiveReport]:
    """As ``report``, of every organisation that has any."""
    grouped: dict[str, list[tuple[str, Entry]]] = {}
    for key, entry in entries:
        if not isinstance(entry, Reached):
            grouped.setdefault(key.split("|", 2)[1], []).append((key, entry))
    return {org_id: _report(own, now, minutes) for org_id, own in sorted(grouped.items())}


def _report(entries: Iterable[tuple[str, Entry]], now: datetime, minutes: int) -> LiveReport:
    current = int(now.timestamp()) // MINUTE
    numbers = range(current - minutes + 1, current + 1)
    active, windows, media = [], [], []
    for key, entry in entries:
        if isinstance(entry, ActiveCall):
            active.append(entry)
        elif isinstance(entry, Minute):
            number, assistant_id = key.split("|", 4)[3:]
            if int(number) in numbers:
                windows.append((int(number), assistant_id, entry))
        elif isinstance(entry, MediaSource):
            media.append(entry)
    calls = Counter(call.assistant_id for call in active)
    return LiveReport(
        time=now,
        active_calls=len(active),
        by_assistant=tuple(ActiveCalls(assistant_id or None, count) for assistant_id, count in sorted(calls.items())),
        minutes=tuple(_minute(number, windows, active, media, now) for number in numbers),
        stages=tuple(_stages(windows)),
    )


def _minute(
    number: int,
    windows: Iterable[tuple[int, str, Minute]],
    active: Iterable[ActiveCall],
    media: Iterable[MediaSource],
    now: datetime,
) -> MinuteFigures:
    within = [window for minute, _, window in windows if minute == number]
    noted = [source.minutes[number] for source in media if number in source.minutes]
    running = sum(seconds_within(number, call.began, now.timestamp()) for call in active)
    return MinuteFigures(
        time=datetime.fromtimestamp(number * MINUTE, UTC),
        calls_started=sum(window.began for window in within),
        calls_ended=sum(window.ended for window in within),
        call_minutes=round((sum(window.seconds for window in within) + running) / MINUTE, 3),
        media=MediaFigures(
            partial_transcripts=sum(counts.partials for counts in noted),
            model_pieces=sum(counts.pieces for counts in noted),
            fragments=sum(counts.fragments for counts in noted),
            fragments_shed=sum(counts.shed for counts in noted),
        ),
    )


def _stages(windows: Iterable[tuple[int, str, Minute]]) -> Iterator[StageFigures]:
    found: dict[tuple[str, str], list[Delays]] = {}
    for _, assistant_id, window in windows:
        for name, delays in window.delays.items():
            found.setdefault((name, assistant_id), []).append(delays)
    for (name, assistant_id), parts in sorted(found.items()):
        stage, _, provider = name.partition("|")
        delays = merged(parts)
        p50, p95, p99 = (quantile_ms(delays, share) for share in (0.5, 0.95, 0.99))
        yield StageFigures(stage, assistant_id or None, provider or None, sum(delays.values()), p50, p95, p99)
