"""The program in docs/messages.md that reads the log with nothing of ours, held against the log's own rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
from hypothesis import given
from hypothesis import strategies as st

from domain.log.arbitration import Arbiter
from domain.log.commit import Commit, Slot
from domain.log.envelope import to_record
from domain.server_messages.topics import TOPICS

Read = tuple[str, int, dict[str, Any]]
_PAGE = Path(__file__).resolve().parents[4] / "docs" / "messages.md"
_COMMITS = next(topic for topic in TOPICS if topic.message == "commit")


@dataclass(frozen=True)
class OnTopic:
    """A record as a consumer of Kafka gives it."""

    offset: int
    headers: Sequence[tuple[str, bytes]]
    value: bytes


def documented() -> Callable[[Sequence[OnTopic]], Iterator[Read]]:
    """The function ``accepted`` of the page's program."""
    (program,) = re.findall(r"```python\n(# transcript\.py.*?)```", _PAGE.read_text(), re.DOTALL)
    namespace: dict[str, Any] = {"__name__": "transcript"}
    exec(program, namespace)  # the page is ours, and this is what its readers do
    read: Callable[[Sequence[OnTopic]], Iterator[Read]] = namespace["accepted"]
    return read


ACCEPTED = documented()
_SLOTS = st.lists(st.builds(Slot, st.sampled_from("abc"), st.integers(1, 4)), min_size=1, max_size=3)
_HISTORIES = st.lists(st.tuples(st.sampled_from([f"commit-{number}" for number in range(12)]), _SLOTS), max_size=12)


def commit_of(commit_id: str, slots: Sequence[Slot]) -> Commit:
    bodies = tuple(
        b'{"id":"%s.%d","type":"call.ended","v":1,"time":"2026-03-04T09:30:00Z","data":{}}'
        % (slot.originator_id.encode(), slot.version)
        for slot in slots
    )
    return Commit(commit_id=commit_id, slots=tuple(slots), topics=("call.ended",) * len(slots), bodies=bodies)


@given(_HISTORIES)
def test_the_documented_reader_takes_what_the_rule_accepts(history: list[tuple[str, list[Slot]]]) -> None:
    commits = [commit_of(commit_id, slots) for commit_id, slots in history]
    arbiter, settled, counted = Arbiter(), set[str](), list[tuple[str, int]]()
    for commit in commits:
        if commit.commit_id not in settled and arbiter.settle(commit).accepted:
            counted += [(slot.originator_id, slot.version) for slot in commit.slots]
        settled.add(commit.commit_id)

    written = [to_record(commit) for commit in commits]
    read = ACCEPTED([OnTopic(offset, record.headers, record.value) for offset, record in enumerate(written)])

    found = list(read)
    assert [(originator, version) for originator, version, _ in found] == counted
    assert [event["id"] for _, _, event in found] == [f"{originator}.{version}" for originator, version in counted]


def test_headers_are_described_as_they_are_written() -> None:
    assert _COMMITS.headers is not None
    form = jsonschema_rs.validator_for(_COMMITS.headers)
    commit = commit_of("c", [Slot("a", 1)])
    plain = {name: value.decode() for name, value in to_record(commit).headers}
    form.validate(plain)
    assert not form.is_valid({**plain, "v": "2"})
    assert set(plain) | {"tracking"} == set(_COMMITS.headers["properties"])
