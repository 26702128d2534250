"""Stepping a recorded call again: its events from the system or the folder, its inputs from the fragment log."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from domain.event import Event
from domain.fragments import Fragment
from domain.registry import EVENT_TYPES
from infra.data_folder import DataFolder
from infra.settings import Settings
from media.machine.counterfactual import Changed, TurnTiming, ended, first_change, simulate, timings
from media.machine.recorded import RecordedCall, Verdict, judge, recorded_call


class SettingInvalid(Exception):
    """A ``--set`` that cannot be followed; the message says which and why."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A call under another configuration, beside the same call under its own."""

    changed: Changed | None
    before: tuple[TurnTiming, ...]
    after: tuple[TurnTiming, ...]
    ended_before: str | None
    ended_after: str | None


def loaded(settings: Settings, call_id: str, events: Sequence[Mapping[str, Any]]) -> RecordedCall:
    """The call as recorded; ``events`` as the operator's routes show them.

    Raises ``NotRecorded`` and ``LogUnavailable``.
    """
    return recorded_call([_event(each) for each in events], _fragments(settings, call_id))


def checked(call: RecordedCall) -> Verdict:
    """Whether this version does what was recorded. Raises ``PlanInvalid``."""
    return judge(call)


def compared(call: RecordedCall, assistant: Mapping[str, Any] | None, changes: Sequence[str]) -> Compared:
    """The call under ``assistant`` (its own where ``None``) with ``changes`` (``path=value``) made to it.

    Raises ``SettingInvalid`` and ``PlanInvalid``.
    """
    base = call.plan()
    late = call.started.late_templates if assistant is None else ()
    config: dict[str, Any] = dict(call.started.assistant if assistant is None else assistant)
    for change in changes:
        config = _changed(config, change)
    before = simulate(base, base, call.inputs, began_ms=call.began_ms)
    after = simulate(call.plan_of(config, late), base, call.inputs, began_ms=call.began_ms)
    ends = [ended(run) for run in (before, after)]
    return Compared(
        changed=first_change(before, after),
        before=tuple(timings(before)),
        after=tuple(timings(after)),
        ended_before=ends[0].reason if ends[0] is not None else None,
        ended_after=ends[1].reason if ends[1] is not None else None,
    )


def _changed(config: Mapping[str, Any], change: str) -> dict[str, Any]:
    path, equals, written = change.partition("=")
    steps = path.strip().split(".")
    if not equals or not all(steps):
        raise SettingInvalid(
            f"{change!r} is no setting; write path=value, for example startSpeakingPlan.waitSeconds=0.2"
        )
    try:
        value = json.loads(written)
    except ValueError:
        value = written
    return _with(config, steps, value, path)


def _with(config: Mapping[str, Any], steps: Sequence[str], value: Any, path: str) -> dict[str, Any]:
    first, *rest = steps
    if not rest:
        return {**config, first: value}
    inner = config.get(first, {})
    if isinstance(inner, list) and rest[0].isdecimal() and int(rest[0]) < len(inner):
        items = list(inner)
        place = int(rest[0])
        items[place] = _with(items[place], rest[1:], value, path) if rest[1:] else value
        return {**config, first: items}
    if not isinstance(inner, Mapping):
        raise SettingInvalid(f"{path} cannot be set: {first} is no object in this call's assistant")
    return {**config, first: _with(inner, rest, value, path)}


def _event(shown: Mapping[str, Any]) -> Event:
    event: Event = msgspec.convert(shown["data"], EVENT_TYPES[shown["type"]].event_class)
    return event


def _fragments(settings: Settings, call_id: str) -> list[Fragment]:
    with _fragment_log(settings) as log:
        found: list[Fragment] = log.read(call_id)
        return found


@contextlib.contextmanager
def _fragment_log(settings: Settings) -> Iterator[Any]:
    """Read beside whatever runs on the folder; on Kafka with an index of this command's own."""
    folder = DataFolder(settings.data_dir.absolute())
    if settings.kafka is None:
        from streams.media_log.embedded import EmbeddedFragmentLog

        log = EmbeddedFragmentLog(folder.media)
        try:
            yield log
        finally:
            log.close()
        return
    from streams.kafka.topics import identify
    from streams.media_log.kafka import KafkaFragmentLog

    found = identify(settings.kafka)
    with tempfile.TemporaryDirectory(prefix="callfold-replay-") as scratch:
        shared = KafkaFragmentLog.open(settings.kafka, Path(scratch) / "fragments.db", topic_id=found.media_topic_id)
        try:
            yield shared
        finally:
            shared.close()
