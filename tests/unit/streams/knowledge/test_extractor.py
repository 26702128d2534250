"""The limited process: whatever a file does to it, the answer is a reason, and the next file is read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from streams.knowledge.extraction.extractor import Extractor
from streams.knowledge.extraction.job import SEGMENT, TEXT, Done, Outcome, Refused
from streams.knowledge.extraction.limits import Limits
from streams.knowledge.index.segment import load
from tests.unit.streams.knowledge.made_files import archive, docx, pdf, with_entry

MEGABYTE = 1024 * 1024


async def outcome(folder: Path, content: bytes, name: str, limits: Limits) -> Outcome:
    async with Extractor(folder / "scratch", limits).extracted(io.BytesIO(content), name, "") as (found, _):
        return found


async def test_text_and_index_are_there_until_the_block_ends(tmp_path: Path) -> None:
    extractor = Extractor(tmp_path / "scratch", Limits())
    async with extractor.extracted(io.BytesIO(pdf(["Cleaning: 90"], ["Whitening: 240"])), "a.pdf", "") as (
        found,
        folder,
    ):
        assert found == Done(kind="pdf", pages=2, pieces=2)
        assert (folder / TEXT).read_text() == "Cleaning: 90\fWhitening: 240"
        assert load(folder / SEGMENT).piece(1) == "Whitening: 240"
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_too_much_memory_is_a_reason(tmp_path: Path) -> None:
    # 60 MB of XML are within what a Word file may unpack to; the tree of it is not within what the process may take.
    paragraph = b"<w:p><w:r><w:t>x</w:t></w:r></w:p>"
    body = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>%b</w:body></w:document>'
    bomb = with_entry(docx("Prices", []), "word/document.xml", body % (paragraph * (60 * MEGABYTE // len(paragraph))))
    assert len(bomb) < MEGABYTE
    found = await outcome(tmp_path, bomb, "a.docx", Limits(memory_bytes=300 * MEGABYTE))
    assert isinstance(found, Refused)
    assert found.code == "too-much-memory"


async def test_too_much_time_is_a_reason(tmp_path: Path) -> None:
    slow = json.dumps([[{"key": "value"}] * 10] * 60_000).encode()
    by_processor = await outcome(tmp_path, slow, "a.json", Limits(cpu_seconds=1))
    assert isinstance(by_processor, Refused)
    assert (by_processor.code, "1 seconds of processor time" in by_processor.reason) == ("too-slow", True)
    by_clock = await outcome(tmp_path, slow, "a.json", Limits(wall_seconds=0.05))
    assert by_clock == Refused(code="too-slow", reason="Reading it takes longer than 0.05 seconds.")


async def test_too_much_text_is_a_reason(tmp_path: Path) -> None:
    found = await outcome(tmp_path, b"Words. " * 300_000, "a.txt", Limits(text_bytes=MEGABYTE))
    assert found == Refused(code="too-large", reason="It holds more than 1048576 bytes of text.")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.txt", b" \n ", "no-text"),
        ("a.pdf", pdf([]), "no-text"),
        ("a.docx", archive({"word/document.xml": b"x", "[Content_Types].xml": b"x"}), "damaged"),
    ],
)
async def test_what_holds_nothing_is_told_apart(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    found = await outcome(tmp_path, content, name, Limits())
    assert isinstance(found, Refused)
    assert found.code == code


async def test_the_process_knows_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    monkeypatch.setenv("PYTHONSTARTUP", "x")
    from streams.knowledge.extraction import extractor

    environment = extractor._environment()
    assert "s3cret" not in environment.values()
    assert "PATH" in environment
