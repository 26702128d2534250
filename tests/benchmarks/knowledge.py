"""Reading, indexing and searching uploads: pages and pieces a second, milliseconds a question, and how often the answer
is found; beside a plain scan for the question's words over the same pieces in the same run.

``python -m tests.benchmarks.knowledge``
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from streams.knowledge.extraction.reading import read
from streams.knowledge.index.chunking import chunks
from streams.knowledge.index.ranking import rank
from streams.knowledge.index.segment import Segment, build, load, save
from streams.knowledge.index.terms import content_words
from tests.unit.streams.knowledge.handbook import QUESTIONS, SECTIONS, Wording, handbook
from tests.unit.streams.knowledge.made_files import docx, pdf

PIECES = 10_000
PAGES = 200
ROUNDS = 30
SEED = 20260101


def main() -> None:
    chance = random.Random(SEED)
    sentences = [sentence for text in SECTIONS.values() for sentence in text.split(". ")]
    words = sorted({word for text in SECTIONS.values() for word in text.split()})

    def sentence() -> str:
        if chance.random() < 0.2:
            return chance.choice(sentences).rstrip(".") + "."
        return " ".join([*chance.choices(words, k=11), f"item{chance.randrange(20_000)}"]) + "."

    _say("reading (this process, one core)")
    lines = [[" ".join(sentence().split()[:10]) for _ in range(40)] for _ in range(PAGES)]
    _read("pdf", pdf(*lines), PAGES)
    _read("docx", docx("Prices", [sentence() for _ in range(PAGES * 15)]), PAGES)
    html = "<html><body>" + "".join(f"<p>{sentence()}</p>" for _ in range(PAGES * 30)) + "</body></html>"
    _read("html", html.encode(), PAGES)

    text = "\n\n".join(f"## Part {n}\n\n" + " ".join(sentence() for _ in range(6)) for n in range(PIECES))
    cutting = _seconds(lambda: chunks(text))
    begun = time.process_time()
    segment = build(text)
    building = time.process_time() - begun
    _say(f"{len(segment)} pieces of {len(text) / 1e6:.1f} MB: cut {len(segment) / cutting:,.0f} a second, ")
    _say(f"  cut, indexed and embedded {len(segment) / building:,.0f} a second")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment.npz"
        save(segment, path)
        _say(f"  {path.stat().st_size / 1e6:.1f} MB on disk, loaded in {_seconds(lambda: load(path)) * 1000:.0f} ms")

    parts = text.split("\n\n## ")
    spread = [build("\n\n## ".join(parts[at : at + 100])) for at in range(0, len(parts), 100)]
    questions = [question for _, question, _ in QUESTIONS]
    pieces = [segment.piece(index).lower() for index in range(len(segment))]
    for name, search in (
        ("one file", lambda question: rank([segment], question, 5)),
        ("100 files", lambda question: rank(spread, question, 5)),
        ("plain scan", lambda question: _scan(pieces, question)),
    ):
        _say(f"question over {len(segment)} pieces, {name}: {_milliseconds(search, questions)}")

    book = build(handbook())
    for wording in ("same", "other", "wrong"):
        found = [_recall(book, wording, within) for within in (1, 5)]
        plain = [_recall(book, wording, within, scanned=True) for within in (1, 5)]
        asked = sum(kind == wording for kind, _, _ in QUESTIONS)
        _say(f"recall, {wording} words ({asked} questions): first {found[0]:.0%}, among five {found[1]:.0%}")
        _say(f"  plain scan: first {plain[0]:.0%}, among five {plain[1]:.0%}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _read(kind: str, content: bytes, pages: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        path.write_bytes(content)
        read(path, f"a.{kind}", "", 100_000_000)
        seconds = _seconds(lambda: read(path, f"a.{kind}", "", 100_000_000), rounds=3)
    _say(f"  {kind}: {pages / seconds:,.0f} pages a second ({len(content) / 1e6:.1f} MB)")


def _seconds(work: Callable[[], object], rounds: int = 5) -> float:
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def _milliseconds(search: Callable[[str], object], questions: list[str]) -> str:
    taken = []
    for round_number in range(ROUNDS):
        begun = time.process_time()
        search(questions[round_number % len(questions)])
        taken.append((time.process_time() - begun) * 1000)
    taken.sort()
    return f"median {statistics.median(taken):.1f} ms, slowest {taken[-1]:.1f} ms"


def _scan(pieces: list[str], question: str) -> list[int]:
    """The pieces that hold most of the question's words: what one would write first."""
    words = content_words(question)
    scores = [(-sum(word in piece for word in words), index) for index, piece in enumerate(pieces)]
    return [index for score, index in sorted(scores)[:5] if score]


def _recall(book: Segment, wording: Wording, within: int, *, scanned: bool = False) -> float:
    pieces = [book.piece(index).lower() for index in range(len(book))]
    asked = [(question, section) for kind, question, section in QUESTIONS if kind == wording]
    hits = 0
    for question, section in asked:
        found = _scan(pieces, question) if scanned else [hit.piece for hit in rank([book], question, within)]
        hits += any(book.heading(piece).endswith(section) for piece in found[:within])
    return hits / len(asked)


if __name__ == "__main__":
    main()
