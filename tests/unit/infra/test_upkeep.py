"""Dead letters of several hosts as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from domain.aggregate import Refused
from domain.log.position import Position
from domain.processing import DeadLetter
from infra.upkeep import Upkeep


@dataclass
class Host:
    """Holds letters; what is asked of it is written down."""

    processors: set[str]
    parked: list[DeadLetter] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def letters(self) -> Sequence[DeadLetter]:
        return self.parked

    def counts(self, processor: str) -> bool:
        return processor in self.processors

    async def retry(self, processor: str, originator_id: str) -> int:
        self.asked.append(("retry", processor, originator_id))
        self.parked.pop(0)
        return 1

    def drop(self, processor: str, originator_id: str) -> int:
        self.asked.append(("drop", processor, originator_id))
        return len(self.parked)


def letter(processor: str, originator_id: str, position: Position) -> DeadLetter:
    return DeadLetter(processor=processor, originator_id=originator_id, position=position, reason="why", attempt=1)


async def test_letters_of_all_hosts_are_shown_once_in_the_order_of_the_log() -> None:
    shared = letter("figures", "a", Position(0, 10))
    one = Host({"figures"}, [shared, letter("figures", "a", Position(1, 2))])
    two = Host({"names"}, [letter("names", "a", Position(0, 9)), shared])
    shown = await Upkeep(None, [one, two]).dead_letters()
    assert [(letter["processor"], letter["position"]) for letter in shown] == [
        ("names", "0:9"),
        ("figures", "0:10"),
        ("figures", "1:2"),
    ]


async def test_who_is_asked_is_who_holds_the_originator() -> None:
    here = Host({"figures"}, [letter("figures", "a", Position(0, 1))])
    there = Host({"figures"}, [letter("figures", "b", Position(0, 2)), letter("figures", "b", Position(0, 3))])
    upkeep = Upkeep(None, [here, there])
    assert await upkeep.retry_dead_letters("figures", "b") == {"processed": 1, "waiting": 1}
    assert await upkeep.drop_dead_letters("figures", "a") == {"dropped": 1}
    assert there.asked == [("retry", "figures", "b")]
    assert here.asked == [("drop", "figures", "a")]


async def test_a_node_without_tables_refuses_what_is_about_them() -> None:
    upkeep = Upkeep(None, [Host({"figures"})])
    with pytest.raises(Refused, match="No event is parked for a processor call-tables"):
        await upkeep.retry_dead_letters("call-tables", "a")
    with pytest.raises(Refused, match="fills no tables"):
        await upkeep.rebuild(None)
