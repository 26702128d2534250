"""Given states of originators, then those that are in use are known at their newest version, and no others for long."""

from __future__ import annotations

from streams.log.state_cache import IDLE_SECONDS, StateCache


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_newest_version_is_kept_whatever_the_order() -> None:
    cache = StateCache()
    cache.put("call", "a", 3, "third")
    cache.put("call", "a", 2, "second")
    assert cache.get("call", "a", 3) == "third"
    assert cache.get("call", "a", 2) is None
    assert cache.get("chat", "a", 3) is None


def test_the_least_recently_used_makes_room() -> None:
    cache = StateCache(2)
    cache.put("call", "a", 1, "a")
    cache.put("call", "b", 1, "b")
    assert cache.get("call", "a", 1) == "a"
    cache.put("call", "c", 1, "c")
    assert [cache.get("call", one, 1) for one in "abc"] == ["a", None, "c"]


def test_what_nobody_asks_for_goes_though_there_is_room() -> None:
    clock = Clock()
    cache = StateCache(clock=clock)
    cache.put("call", "over", 9, "over")
    cache.put("call", "runs", 4, "runs")
    clock.now_s += IDLE_SECONDS
    assert cache.get("call", "runs", 4) == "runs"
    clock.now_s += 1
    cache.put("call", "begins", 1, "begins")
    assert [cache.get("call", one, version) for one, version in (("over", 9), ("runs", 4), ("begins", 1))] == [
        None,
        "runs",
        "begins",
    ]
