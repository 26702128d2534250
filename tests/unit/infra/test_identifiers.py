import uuid
from datetime import UTC, datetime, timedelta

from infra.identifiers import new_key, now, random_id, time_ordered_id


def test_call_ids_sort_by_the_time_they_were_made() -> None:
    ids = [time_ordered_id() for _ in range(2_000)]

    milliseconds = [uuid.UUID(i).int >> 80 for i in ids]
    assert milliseconds == sorted(milliseconds)
    assert len(set(ids)) == len(ids)


def test_call_ids_are_version_7_and_carry_the_present_millisecond() -> None:
    before = datetime.now(UTC)
    made = uuid.UUID(time_ordered_id())

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    carried = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert before - timedelta(milliseconds=1) <= carried <= datetime.now(UTC)


def test_ids_and_keys_are_never_the_same_twice() -> None:
    assert len({make() for make in (random_id, new_key) for _ in range(1_000)}) == 2_000


def test_the_clock_is_utc() -> None:
    assert now().tzinfo is UTC
