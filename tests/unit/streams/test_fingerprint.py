"""The fingerprint of a fold changes with everything the fold depends on."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from domain.aggregates import AGGREGATES
from domain.registry import EVENT_TYPES, register
from streams.log.fingerprint import fingerprint
from tests.contracts.tally import TALLY, TALLY_TYPES, Added, Opened


def test_it_is_the_same_for_the_same_code() -> None:
    for aggregate in AGGREGATES.values():
        assert fingerprint(aggregate, EVENT_TYPES) == fingerprint(aggregate, EVENT_TYPES)
    assert len({fingerprint(aggregate, EVENT_TYPES) for aggregate in AGGREGATES.values()}) == len(AGGREGATES)


def test_it_changes_with_the_state_schema() -> None:
    class Renamed(msgspec.Struct):
        identity: str

    assert fingerprint(replace(TALLY, state_type=Renamed), TALLY_TYPES) != fingerprint(TALLY, TALLY_TYPES)


def test_it_changes_with_code_that_the_fold_only_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "corner_shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fold.py").write_text(
        "from corner_shop.amounts import evolved\ndef evolve(state, recorded):\n    return evolved(state, recorded)\n"
    )
    amounts = package / "amounts.py"
    amounts.write_text("def evolved(state, recorded):\n    return state\n")
    monkeypatch.syspath_prepend(tmp_path)
    aggregate = replace(TALLY, evolve=importlib.import_module("corner_shop.fold").evolve)
    before = fingerprint(aggregate, TALLY_TYPES)
    amounts.write_text("def evolved(state, recorded):\n    return recorded or state\n")
    assert fingerprint(aggregate, TALLY_TYPES) != before
    for name in ("corner_shop", "corner_shop.fold", "corner_shop.amounts"):
        monkeypatch.delitem(sys.modules, name)


def test_it_changes_with_the_events_it_folds() -> None:
    assert fingerprint(TALLY, register([Opened, Added])) != fingerprint(TALLY, TALLY_TYPES)


def test_it_does_not_change_with_events_of_other_kinds() -> None:
    assert fingerprint(TALLY, {**TALLY_TYPES, **EVENT_TYPES}) == fingerprint(TALLY, TALLY_TYPES)
