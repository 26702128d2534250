"""The supervisor of media workers, over workers that do as the test needs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infra.roles import RoleUnfit, Started
from infra.settings import load
from infra.workers import supervise


def workers_that(do: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a shell run ``do`` in place of every worker."""
    script = folder / "worker"
    script.write_text(f"#!/bin/sh\n{do}\n")
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))


def test_it_stops_when_told_to_while_its_workers_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers_that("kill -TERM $PPID; exec sleep 600", tmp_path, monkeypatch)
    started: list[Started] = []

    supervise(load(data_dir=tmp_path, port=0), started.append, workers=1)

    assert not started


def test_it_says_that_a_worker_did_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers_that("exit 1", tmp_path, monkeypatch)

    with pytest.raises(RoleUnfit, match="did not start"):
        supervise(load(data_dir=tmp_path, port=0), lambda _: None, workers=1)
