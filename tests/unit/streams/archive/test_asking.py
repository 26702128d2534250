"""A question to an archive reads it, and nothing else; what it may use is bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.archive.asking import NoArchive, Unanswerable, opened_archive
from tests.contracts.log_contract import commit
from tests.contracts.tally import Added, Opened
from tests.unit.streams.archive.making import archived, written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("asking") / "it's here"
    root.mkdir()
    commits = [
        commit("c1", ("a", 1, Opened(org_id="org-1")), ("a", 2, Added(amount=2))),
        commit("c2", ("a", 3, Added(amount=5))),
    ]
    archived(written(root / "log.db", commits), root / "archive", segment_events=2)
    return root / "archive"


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT sum((data->>'amount')::INT) FROM events WHERE type = 'tally.added'", [(7,)]),
        ("WITH late AS (FROM events WHERE ordinal > 2) SELECT count(*), max(ordinal) FROM late", [(1, 3)]),
        ("SELECT sequence, events, length(chain) FROM records ORDER BY 1", [(1, 2, 64), (2, 1, 64)]),
        ("SELECT strftime(min(time), '%Y-%m-%d %H:%M') FROM events", [("2026-11-21 09:00",)]),
    ],
)
def test_questions_are_answered(folder: Path, statement: str, rows: list[tuple[object, ...]]) -> None:
    with opened_archive(folder) as opened:
        assert opened.ask(statement, limit=10).rows == rows


def test_the_views_can_be_looked_up(folder: Path) -> None:
    with opened_archive(folder) as opened:
        assert [row[0] for row in opened.ask("SHOW TABLES", limit=10).rows] == ["events", "records"]
        assert len(opened.ask("DESCRIBE events", limit=3).rows) == 3


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("SELECT * FROM read_text('/etc/hostname')", "file system operations are disabled"),
        ("SELECT * FROM '/etc/hostname.csv'", "file system operations are disabled"),
        ("SELECT * FROM glob('/*')", "file system operations are disabled"),
        ("SELECT * FROM 'https://example.org/x.parquet'", "file system operations are disabled"),
        ("SELECT * FROM folder", "does not exist"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("", "one SELECT"),
        ("COPY events TO '/tmp/stolen.csv'", "one SELECT"),
        ("ATTACH '/tmp/other.db'", "one SELECT"),
        ("SET memory_limit='64GB'", "one SELECT"),
        ("INSTALL httpfs", "one SELECT"),
        ("DROP VIEW events", "one SELECT"),
        ("CREATE TABLE mine AS SELECT 1", "one SELECT"),
        ("EXPLAIN ANALYZE COPY events TO '/tmp/stolen.csv'", "file system operations are disabled"),
        ("SELECT nothing FROM events", "nothing"),
        ("SELEC 1", "syntax error"),
    ],
)
def test_nothing_else_is_reached(folder: Path, statement: str, reason: str) -> None:
    with opened_archive(folder) as opened, pytest.raises(Unanswerable, match=reason):
        opened.ask(statement, limit=10)


def test_a_question_that_takes_too_long_is_ended(folder: Path) -> None:
    with opened_archive(folder) as opened:
        with pytest.raises(Unanswerable, match=r"no answer within 0.2 s"):
            opened.ask("SELECT count(*) FROM range(10000000000) AS a(i) WHERE hash(i) = 1", limit=1, seconds=0.2)
        assert opened.ask("SELECT 1", limit=1).rows == [(1,)]


def test_memory_is_bounded(folder: Path) -> None:
    with opened_archive(folder, memory="64MB") as opened, pytest.raises(Unanswerable, match="more than 64MB of memory"):
        opened.ask("SELECT list(i) FROM range(100000000) AS a(i)", limit=1)


def test_no_archive_is_said_with_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NoArchive, match=r"no archive in .*callfold archive --to"), opened_archive(tmp_path):
        pass
