"""Calls that are deleted while their recordings are on their way to the store: nothing of them stays anywhere."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from domain.artifacts import ArtifactsUnavailable, StoredArtifact
from domain.call.aggregate import CALL
from domain.call.commands import DeleteCall
from domain.call.events import ArtifactStored
from domain.log.codec import BodyPruned
from media.artifacts.local import LocalArtifactStore
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import ORG, Rig, media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, providers


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def left(rig: Rig, call_id: str) -> list[str]:
    live = [name for name in files(rig.root / "live") if name.startswith(call_id)]
    return live + files(rig.root / "artifacts")


def waiting(call_id: str) -> set[str]:
    return {f"{call_id}.log.jsonl.gz", f"{call_id}.wav"}


async def delete(rig: Rig, call_id: str) -> None:
    await rig.log.execute(CALL, call_id, DeleteCall(org_id=ORG))


async def until_nothing_is_left(rig: Rig, call_id: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while left(rig, call_id):  # noqa: ASYNC110 - a folder tells nobody
            await asyncio.sleep(0.02)


async def test_a_call_deleted_while_its_recording_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted = threading.Event()
    real = LocalArtifactStore.put

    def put(store: LocalArtifactStore, *arguments: Any) -> StoredArtifact:
        assert deleted.wait(PATIENCE_S)
        return real(store, *arguments)

    monkeypatch.setattr(LocalArtifactStore, "put", put)
    async with media_rig(tmp_path, providers(), replays=False) as rig:
        caller = await dial(rig, assistant())
        await caller.until_said(1)
        await rig.tier.end(caller.call_id, "call-deleted")
        await delete(rig, caller.call_id)
        deleted.set()
        events = await caller.ended()
        assert len(of(events, ArtifactStored)) == 5
        assert left(rig, caller.call_id) == []


async def test_a_call_deleted_while_its_recording_waits_for_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(store: LocalArtifactStore, *arguments: Any) -> StoredArtifact:
        raise ArtifactsUnavailable("the bucket did not take it")

    monkeypatch.setattr(LocalArtifactStore, "put", away)
    async with media_rig(tmp_path, providers(), replays=False, reap_every_s=0.05) as rig:
        caller = await dial(rig, assistant())
        other = await dial(rig, assistant())
        for each in (caller, other):
            await each.until_said(1)
            await each.hang_up()
        # Beside them are, for moments, what is made of them for the store.
        assert waiting(caller.call_id) <= set(left(rig, caller.call_id))
        await delete(rig, caller.call_id)
        await until_nothing_is_left(rig, caller.call_id)
        assert waiting(other.call_id) <= set(left(rig, other.call_id))


async def test_files_of_unknown_calls_and_of_those_only_in_the_archive_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with media_rig(tmp_path, providers(), served=False) as rig:
        real = type(rig.log).get

        def get(log: Any, kind: str, originator_id: str, **options: Any) -> Any:
            if originator_id == "archived":
                raise BodyPruned(originator_id, 1)
            return real(log, kind, originator_id, **options)

        monkeypatch.setattr(type(rig.log), "get", get)
        for call_id in ("archived", "unknown", "[a]*"):
            (rig.root / "live" / f"{call_id}.wav").write_bytes(b"RIFF")
        assert await rig.tier._reaper._salvage() == 0
        assert files(rig.root / "live") == ["[a]*.wav", "archived.wav", "unknown.wav"]
