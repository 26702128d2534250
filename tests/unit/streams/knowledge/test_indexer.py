"""Uploads are read, searched, and forgotten; what a killed process left is done by the next one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.configuration.commands import CreateConfiguration
from domain.file.aggregate import FILE_TEXT
from domain.file.commands import RequestText
from domain.file.state import TextExtracted, TextFailed, TextPending
from domain.knowledge.search import MOST_CHARACTERS, Found, Source
from domain.knowledge_base.aggregate import KNOWLEDGE_BASE, KNOWLEDGE_BASE_FILES
from domain.knowledge_base.commands import AttachFile
from domain.log.ports import LogUnavailable
from streams.knowledge import indexer
from streams.knowledge.segments import Segments
from tests.patience import PATIENCE_S
from tests.unit.streams.knowledge.filed import ORG, Installed, install
from tests.unit.streams.knowledge.made_files import docx, encrypted_pdf, pdf

RIVAL = "0f6f6e1c-0000-4000-8000-000000000002"
PRICES = pdf(["Cleaning costs 90 dollars."], ["Whitening costs 240 dollars and takes an hour."])
HOURS = b"# Hours\n\nOn Saturdays we are open from ten to two."


async def test_uploads_are_read_and_answer_questions_with_their_source(installed: Installed) -> None:
    async with installed.reading():
        prices = await installed.upload("prices.pdf", PRICES)
        hours = await installed.upload("hours.md", HOURS)
        secret = await installed.upload("secret.pdf", encrypted_pdf("nothing for us"))
        read, _, failed = await installed.settled(prices, hours, secret)
        assert isinstance(read, TextExtracted)
        assert (read.kind, read.pages) == ("pdf", 2)
        assert installed.stored_text(read.location).split("\f")[1] == "Whitening costs 240 dollars and takes an hour."
        assert isinstance(failed, TextFailed)
        assert (failed.code, failed.reason) == ("encrypted", "The PDF is encrypted; upload it without a password.")

        everything = [Source(file_ids=(prices, hours, secret, "unknown"))]
        found = await installed.knowledge.search(ORG, everything, "How much is whitening?")
        best = found.passages[0]
        assert (best.file_id, best.file_name, best.page, best.number) == (prices, "prices.pdf", 2, 2)
        assert "240 dollars" in best.text
        assert msgspec.json.decode(msgspec.json.encode(found), type=Found) == found
        assert {missing.id: missing.reason for missing in found.not_searched} == {
            secret: "secret.pdf could not be read",
            "unknown": "the file unknown does not exist",
        }
        open_when = await installed.knowledge.search(ORG, everything, "are you open on saturday", limit=1)
        assert [(passage.file_id, passage.heading) for passage in open_when.passages] == [(hours, "Hours")]
        assert (await installed.knowledge.search(ORG, everything, "zebra crossing legislation")).passages == ()
        foreign = await installed.knowledge.search(RIVAL, everything, "How much is whitening?")
        assert (foreign.passages, len(foreign.not_searched)) == ((), 4)


async def test_a_knowledge_base_is_searched_by_the_files_it_has(installed: Installed) -> None:
    async with installed.reading():
        prices = await installed.upload("prices.pdf", PRICES)
        await installed.settled(prices)
        base = Source(knowledge_base_id="0f6f6e1c-0000-4000-8000-00000000000b")
        made = CreateConfiguration(org_id=ORG, config={"name": "Prices"})
        await installed.log.execute(KNOWLEDGE_BASE, base.knowledge_base_id, made)
        assert (await installed.knowledge.search(ORG, [base], "whitening")).passages == ()
        attach = AttachFile(org_id=ORG, file_id=prices, attachment_id="tie", most_files=1)
        await installed.log.execute(KNOWLEDGE_BASE_FILES, base.knowledge_base_id, attach)
        found = await installed.knowledge.search(ORG, [base, Source(file_ids=(prices,))], "whitening")
        assert [passage.number for passage in found.passages] == [2]
        foreign = await installed.knowledge.search(RIVAL, [base], "whitening")
        assert foreign.passages == ()
        assert "does not exist" in foreign.not_searched[0].reason


async def test_what_waited_while_nobody_read_is_read_at_the_next_start(installed: Installed) -> None:
    waiting = await installed.upload("prices.pdf", PRICES)
    pending = await installed.knowledge.search(ORG, [Source(file_ids=(waiting,))], "whitening")
    assert pending.not_searched[0].reason == "prices.pdf is still being read"
    async with installed.reading():
        assert isinstance((await installed.settled(waiting))[0], TextExtracted)


async def test_an_index_that_was_thrown_away_is_made_again_the_same(installed: Installed) -> None:
    async with installed.reading():
        file_id = await installed.upload("prices.docx", docx("Prices", ["Whitening costs 240 dollars."] * 50))
        text = (await installed.settled(file_id))[0]
    assert isinstance(text, TextExtracted)
    path = installed.segments.path(file_id, text)
    before = path.read_bytes()
    asked = [Source(file_ids=(file_id,))]
    found = await installed.knowledge.search(ORG, asked, "whitening")
    assert sum(len(passage.text) for passage in found.passages) <= MOST_CHARACTERS
    fresh = Segments(installed.folder / "elsewhere", installed.extractor, installed.artifacts.open)
    await fresh.get(file_id, text)
    assert fresh.path(file_id, text).read_bytes() == before
    path.write_bytes(before[:1000])
    again = install(installed.folder / "other")
    again.log.close()
    damaged = Segments(installed.folder / "knowledge", installed.extractor, installed.artifacts.open)
    await damaged.get(file_id, text)
    assert path.read_bytes() == before


async def test_indexes_of_nothing_are_swept_and_missing_ones_made(installed: Installed) -> None:
    async with installed.reading():
        file_id = await installed.upload("hours.md", HOURS)
        text = (await installed.settled(file_id))[0]
    assert isinstance(text, TextExtracted)
    path = installed.segments.path(file_id, text)
    path.rename(stale := path.with_name("0f6f6e1c-old.v0.npz"))
    async with installed.reading():
        # The last file to be read: once it is settled, the catching up behind it has begun.
        marker = await installed.upload("more.md", b"More.")
        await installed.settled(marker)
        async with asyncio.timeout(PATIENCE_S):
            while stale.exists() or not path.exists():
                await asyncio.to_thread(shutil.disk_usage, installed.folder)
    assert path.exists()


async def test_a_deleted_file_leaves_nothing(installed: Installed) -> None:
    async with installed.reading():
        file_id = await installed.upload("hours.md", HOURS)
        text = (await installed.settled(file_id))[0]
        assert isinstance(text, TextExtracted)
        asked = [Source(file_ids=(file_id,))]
        assert (await installed.knowledge.search(ORG, asked, "saturday")).passages
        await installed.delete(file_id)
        assert (await installed.knowledge.search(ORG, asked, "saturday")).passages == ()
        path = installed.segments.path(file_id, text)
        async with asyncio.timeout(PATIENCE_S):
            while path.exists():
                await asyncio.to_thread(path.exists)


async def test_a_log_or_a_folder_that_fails_for_a_moment_ends_nothing(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that serves calls ends with its indexer."""
    failures = {"list": LogUnavailable("busy"), "forget": OSError("read-only"), "sweep": OSError("read-only")}

    def failing_once(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def once(*arguments: Any, **named: Any) -> Any:
            if name in failures:
                raise failures.pop(name)
            return work(*arguments, **named)

        return once

    monkeypatch.setattr(indexer, "_RETRY_SECONDS", 0.01)
    for holder, name in ((installed.log, "list"), (installed.segments, "forget"), (installed.segments, "sweep")):
        monkeypatch.setattr(holder, name, failing_once(name, getattr(holder, name)))
    async with installed.reading():
        deleted = await installed.upload("hours.md", HOURS)
        await installed.settled(deleted)
        await installed.delete(deleted)
        async with asyncio.timeout(PATIENCE_S):
            while failures:
                # Each look at the thread pool lets the indexer go on.
                await asyncio.to_thread(failures.copy)
        prices = await installed.upload("prices.pdf", PRICES)
        assert isinstance((await installed.settled(prices))[0], TextExtracted)


async def test_a_failed_file_can_be_tried_again(installed: Installed, tmp_path: Path) -> None:
    async with installed.reading():
        file_id = await installed.upload("a.pdf", b"%PDF-1.7 nothing")
        assert isinstance((await installed.settled(file_id))[0], TextFailed)
    await installed.log.execute(FILE_TEXT, file_id, RequestText(org_id=ORG))
    assert installed.text(file_id) == TextPending(attempt=2, since=installed.text(file_id).since)
    async with installed.reading():
        again = (await installed.settled(file_id))[0]
    assert (again.attempt, isinstance(again, TextFailed)) == (2, True)
