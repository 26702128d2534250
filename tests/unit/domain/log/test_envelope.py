"""Commits to records and back, and what becomes of records that are not commits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log.arbitration import UnknownEnvelopeVersion
from domain.log.commit import Commit, Slot
from domain.log.envelope import Claim, MalformedRecord, Record, read_claim, to_commit, to_record

text = st.text(min_size=1, max_size=20)
body = st.builds(
    lambda topic, data: (topic, json.dumps({"id": "i", "type": topic, "v": 1, "data": data}).encode()),
    text,
    st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=3),
)


@st.composite
def commits(draw: st.DrawFn) -> Commit:
    drawn = draw(st.lists(body, max_size=4))
    tracking = draw(st.tuples(text, st.integers(0, 2**40)) if not drawn else st.none() | st.tuples(text, st.just(7)))
    return Commit(
        commit_id=draw(text),
        slots=tuple(Slot(draw(text), draw(st.integers(0, 2**40))) for _ in drawn),
        topics=tuple(topic for topic, _ in drawn),
        bodies=tuple(encoded for _, encoded in drawn),
        tracking=tracking,
    )


@given(commits())
def test_a_commit_comes_back_as_it_was(commit: Commit) -> None:
    record = to_record(commit)
    assert to_commit(record) == commit
    assert read_claim(record.headers) == Claim(commit.commit_id, commit.slots, commit.tracking)


@given(commits())
def test_the_value_is_json_anybody_can_read(commit: Commit) -> None:
    record = to_record(commit)
    assert [event["type"] for event in json.loads(record.value)] == list(commit.topics)
    assert dict(record.headers)["content-type"] == b"application/json"


@given(commits(), st.binary(max_size=30))
def test_the_claim_does_not_depend_on_the_value(commit: Commit, garbage: bytes) -> None:
    record = to_record(commit)
    assert read_claim(Record(record.headers, garbage).headers) == read_claim(record.headers)


ONE = to_record(
    Commit(commit_id="one", slots=(Slot("call", 1),), topics=("call.ended",), bodies=(b'{"type":"call.ended"}',))
)


def changed(name: str, value: bytes | None) -> Record:
    headers = tuple((key, value if key == name else old) for key, old in ONE.headers)
    return Record(tuple((key, content) for key, content in headers if content is not None), ONE.value)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (changed("v", None), "header 'v' is missing"),
        (changed("v", b"one"), "not a number"),
        (changed("v", b"9" * 5000), "not a number"),
        (changed("commit", None), "header 'commit' is missing"),
        (changed("commit", b""), "header 'commit' is empty"),
        (changed("commit", b"\xff"), "headers cannot be read"),
        (changed("streams", None), "header 'streams' is missing"),
        (changed("streams", b'[["call"]]'), "headers cannot be read"),
        (changed("streams", b'[["call","1"]]'), "headers cannot be read"),
        (changed("streams", b'[["call",9223372036854775808]]'), "headers cannot be read"),
        (changed("streams", b"[]"), "claims no slot"),
        (Record((*ONE.headers, ONE.headers[0]), ONE.value), "occurs twice"),
        (Record(ONE.headers, b"\xff\xfe"), "not a JSON array"),
        (Record(ONE.headers, b"{}"), "not a JSON array"),
        (Record(ONE.headers, b"[{},{}]"), "2 bodies for 1 slots"),
    ],
)
def test_a_malformed_record_is_named(record: Record, reason: str) -> None:
    with pytest.raises(MalformedRecord, match=reason):
        to_commit(record)


odd_values = st.sampled_from(
    [b"[{}]", b"[{},{}]", b'[{"type":1}]', b'[{"a":1}x}]', b'[{"type":"\xff"}]', b"[{ }]", b'[{"a":[}]', b'[{"a":01}]']
) | st.binary(max_size=12).map(lambda inner: b"[{" + inner + b"}]")


@given(
    odd_values
    | st.dictionaries(st.text(max_size=3), st.none() | st.lists(st.text(max_size=3))).map(
        lambda data: json.dumps([data]).encode()
    )
)
def test_an_array_of_one_is_read_as_any_array_is(value: bytes) -> None:
    """One body takes a shorter way; padding the array by white space takes it off that way."""
    try:
        long = to_commit(Record(ONE.headers, b" " + value))
    except MalformedRecord:
        with pytest.raises(MalformedRecord):
            to_commit(Record(ONE.headers, value))
    else:
        assert to_commit(Record(ONE.headers, value)) == long


@pytest.mark.parametrize("depth", [10, 900, 1100, 100_000])
def test_how_deep_a_body_nests_changes_no_verdict(depth: int) -> None:
    """Parsers stop at a depth that depends on how deep their caller stands, which differs between readers."""
    deep = b'{"id":"one.0","type":"call.ended","data":' + b"[" * depth + b'"a]\\"}"' + b"]" * depth + b"}"
    commit = Commit(
        commit_id="one",
        slots=(Slot("call", 1), Slot("call", 2)),
        topics=("call.ended", "call.deleted"),
        bodies=(deep, b'{"type":"call.deleted"}'),
    )
    assert to_commit(to_record(commit)) == commit


def test_a_deep_value_whose_brackets_do_not_match_is_malformed() -> None:
    with pytest.raises(MalformedRecord, match="brackets do not match"):
        to_commit(Record(ONE.headers, b"[" * 5000))


def test_a_newer_envelope_is_not_guessed_at() -> None:
    with pytest.raises(UnknownEnvelopeVersion, match="envelope version 2"):
        to_commit(changed("v", b"2"))


@pytest.mark.parametrize(
    ("commit", "reason"),
    [
        (Commit(commit_id="one", slots=(), topics=(), bodies=()), "claims no slot"),
        (Commit(commit_id="one", slots=(Slot("call", 1),), topics=(), bodies=()), "0 bodies for 1 slots"),
    ],
)
def test_a_commit_that_could_not_be_read_back_is_not_written(commit: Commit, reason: str) -> None:
    with pytest.raises(MalformedRecord, match=reason):
        to_record(commit)


@given(st.lists(st.tuples(st.sampled_from(["v", "commit", "streams", "tracking", "x"]), st.binary(max_size=12))))
def test_any_headers_give_a_claim_or_a_named_error(headers: list[tuple[str, bytes]]) -> None:
    try:
        outcome = "claim" if read_claim(headers).commit_id else "nothing"
    except (MalformedRecord, UnknownEnvelopeVersion) as refusal:
        outcome = type(refusal).__name__
    assert outcome in ("claim", "MalformedRecord", "UnknownEnvelopeVersion")
