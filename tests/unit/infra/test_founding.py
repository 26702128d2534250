"""Two processes that find an empty log at the same moment: one founds its first organisation, the other finds it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from domain.aggregate import Conflicting
from domain.organization.founding import Founding
from infra.identifiers import now, random_id
from infra.storage import Storage
from infra.wiring import found_organization
from streams.log.kafka.log import KafkaLog
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import MOCK_FETCH_WAIT_MS, MOCK_IDENTITY, on_mock

SECRET = b"s" * 32


async def test_the_log_settles_who_founds_the_first_organization(tmp_path: Path, shared_mock_kafka: MockKafka) -> None:
    location = on_mock(shared_mock_kafka.bootstrap)

    def opened(name: str) -> KafkaLog:
        return KafkaLog.open(
            location,
            tmp_path / name,
            identity=MOCK_IDENTITY,
            clock=now,
            new_id=random_id,
            fetch_wait_ms=MOCK_FETCH_WAIT_MS,
        )

    with closing(opened("one")) as one, closing(opened("two")) as two:
        nothing = cast(Any, None)
        storages = [Storage(log, nothing, nothing, nothing, first_organization_id="the-first") for log in (one, two)]
        outcomes = await asyncio.gather(
            *(
                found_organization(storage, "Default", SECRET, organization_id=storage.first_organization_id)
                for storage in storages
            ),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflicting", "Founding"]
        (founded,) = (outcome for outcome in outcomes if isinstance(outcome, Founding))
        assert any(isinstance(outcome, Conflicting) for outcome in outcomes)
        assert founded.organization_id == "the-first"
        assert [document.id for document in one.list("organization")] == ["the-first"]
