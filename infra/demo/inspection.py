"""Looking for the call afterwards wherever it should have arrived: the API, the log, ClickHouse, the disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import msgspec

from domain.call.aggregate import CALL
from domain.log.ports import Positioned
from domain.state_hash import state_hash
from infra.cli.operator import Json, Operator
from infra.data_folder import DataFolder
from infra.demo.children import shared_log
from infra.demo.evidence import Evidence, loudness
from infra.identifiers import now, random_id
from infra.settings import load
from streams.log.embedded import EmbeddedLog

_SETTLED_SECONDS = 60.0
_ROW_SECONDS = 30.0
"""How long a busy machine may take for what an idle one does in less than a second."""

_ROW_RETRY_SECONDS = 0.1

ROW = """
SELECT status, ended_reason, duration_seconds, cost_usd, tool_call_count, assistant_interruption_count
FROM calls WHERE call_id = '{call_id}'
"""


@dataclass(frozen=True, slots=True)
class Found:
    """The evidence, and where a person can look for the same things."""

    evidence: Evidence
    recording: str
    statement: str
    row_after_ms: float


async def inspect(
    call_id: str,
    said: tuple[str, ...],
    *,
    api: httpx2.AsyncClient,
    operator: Operator,
    folder: DataFolder,
    book_url: str,
) -> Found:
    """Wait until the call's recording is stored, then read everything back. Raises ``TimeoutError``."""
    async with asyncio.timeout(_SETTLED_SECONDS):
        async for event in operator.follow(after="0:0", originator=call_id, types=("call.artifact_stored",)):
            if event["data"]["track"] == "stereo":
                recording = folder.artifacts / event["data"]["location"]
                break
    started = asyncio.get_running_loop().time()
    statement = " ".join(ROW.format(call_id=call_id).split())
    row = await _row(operator, statement)
    row_after_ms = (asyncio.get_running_loop().time() - started) * 1000
    call: Json = (await api.get(f"/call/{call_id}")).raise_for_status().json()
    async with httpx2.AsyncClient(trust_env=False) as client:
        appointments = (await client.get(book_url)).raise_for_status().json()
    kept = await operator.call_state(call_id)
    rebuilt_hash = await asyncio.to_thread(_rebuilt_hash, folder, call_id, kept["version"])
    evidence = Evidence(
        said=said,
        call=call,
        events=tuple(await operator.all_events(originator=call_id)),
        row=row,
        document_hash=kept["hash"],
        rebuilt_hash=rebuilt_hash,
        loudness=await asyncio.to_thread(loudness, recording),
        appointments=tuple(appointments),
    )
    return Found(evidence, str(recording), statement, row_after_ms)


async def _row(operator: Operator, statement: str) -> dict[str, Any]:
    """The call's row once it shows that the call is over; what there is when it never does."""
    deadline = asyncio.get_running_loop().time() + _ROW_SECONDS
    while True:
        result = await operator.sql(statement, limit=1)
        row = dict(zip(result["columns"], result["rows"][0], strict=True)) if result["rows"] else {}
        if row.get("status") == "ended" or asyncio.get_running_loop().time() > deadline:
            return row
        await asyncio.sleep(_ROW_RETRY_SECONDS)


def _rebuilt_hash(folder: DataFolder, call_id: str, version: int) -> str:
    """The call folded here from the log's events alone, up to the event that the system's own state stands at: more may
    come while this reads. Of a log on Kafka this reads everything again, into a replica of its own."""
    state: Any = None
    for positioned in _history(folder, call_id):
        if positioned.recorded.originator_version <= version:
            state = CALL.evolve(state, positioned.recorded)
    return state_hash(state) if isinstance(state, msgspec.Struct) else ""


def _history(folder: DataFolder, call_id: str) -> Sequence[Positioned]:
    if not shared_log():
        with contextlib.closing(EmbeddedLog.open(folder.log, clock=now, new_id=random_id)) as log:
            return log.history(call_id)
    # A reader only: it neither gives heartbeats nor signs what it has read, as a process of the system would.
    from streams.kafka.topics import identify
    from streams.log.kafka.log import KafkaLog

    location = load().kafka
    assert location is not None
    found = identify(location)
    with (
        TemporaryDirectory(prefix="callfold-fresh-") as root,
        contextlib.closing(
            KafkaLog.open(
                location, Path(root), identity=found.identity, shards=found.shards, clock=now, new_id=random_id
            )
        ) as fresh,
    ):
        return fresh.history(call_id)
