"""Dead letters of several hosts as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from domain.aggregate import Refused
from domain.log.position import Position
from domain.processing import DeadLetter
from infra.upkeep import HeldInFile, Upkeep
from projections.tables.fragments import FragmentTable
from streams.media_log.embedded import EmbeddedFragmentLog
from streams.processing.dead_letters import DeadLetters
from streams.processing.feeding import FragmentFollower
from streams.processing.fragments import FragmentPipeline
from tests.contracts.fragment_runner_contract import START, Sensitive, batches
from tests.contracts.runner_contract import RowFile
from tests.patience import PATIENCE_S


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


async def test_fragments_that_a_processor_could_not_take_are_shown_without_words_and_tried_again(
    tmp_path: Path,
) -> None:
    poison = {"words of 1"}
    processor, sink = Sensitive(FragmentTable(), poison), RowFile(tmp_path / "rows.db", gapless=False)
    with (
        closing(EmbeddedFragmentLog(tmp_path / "media.db")) as log,
        closing(DeadLetters(tmp_path / "letters.db")) as letters,
    ):
        log.append(batches(range(3)))
        pipeline = FragmentPipeline("fragments", (processor,), sink, pause_seconds=0.01)
        follower = FragmentFollower(log, pipeline, letters, clock=lambda: START)
        upkeep = Upkeep(None, [HeldInFile({0: follower}, letters, frozenset({"fragment-table"}))])
        follower.start()
        try:
            assert await asyncio.to_thread(follower.reached, 0, log.end(0), PATIENCE_S)
            [parked] = await upkeep.dead_letters()
            assert (parked["what"], parked["originatorId"], parked["position"]) == ("fragments", "call-1", "0:2")
            assert await upkeep.retry_dead_letters("fragment-table", "call-1") == {"processed": 0, "waiting": 1}
            poison.clear()
            assert await upkeep.retry_dead_letters("fragment-table", "call-1") == {"processed": 1, "waiting": 0}
        finally:
            await asyncio.to_thread(follower.stop)
    assert len(sink.rows()) == 9
