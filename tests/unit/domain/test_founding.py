"""Founding an organisation."""

from __future__ import annotations

import itertools

import pytest

from domain.aggregate import Refused
from domain.event import Recorded
from domain.keys import hash_key
from domain.organization.aggregate import ORGANIZATION
from domain.organization.founding import Founding, found
from domain.organization.state import Organization


def plan(name: str = "Acme", shard: int = 0) -> Founding:
    numbers = itertools.count(1)
    return found(
        name,
        new_id=lambda: f"id-{next(numbers)}",
        private_random=b"p" * 20,
        public_random=b"q" * 20,
        shard=shard,
    )


def outcome(founding: Founding) -> Organization:
    from datetime import UTC, datetime

    state: Organization | None = None
    version = 0
    for command in founding.commands:
        for event in ORGANIZATION.decide(state, command):
            version += 1
            recorded = Recorded(founding.organization_id, version, f"e{version}", datetime.now(UTC), event)
            state = ORGANIZATION.evolve(state, recorded)
    assert state is not None
    return state


def test_the_organization_stands_with_both_keys_and_knows_only_their_hashes() -> None:
    founding = plan(shard=3)
    state = outcome(founding)
    assert (state.id, state.name, state.shard) == ("id-1", "Acme", 3)
    assert {key.tag: key.hash for key in state.keys} == {
        "private": hash_key(founding.private_key),
        "public": hash_key(founding.public_key),
    }
    assert founding.private_key not in repr(state)
    assert founding.private_key != founding.public_key


def test_a_blank_name_is_refused() -> None:
    with pytest.raises(Refused, match="name is empty"):
        outcome(plan(name=" "))


def test_one_secret_cannot_be_both_keys() -> None:
    with pytest.raises(ValueError, match="different random bytes"):
        found("Acme", new_id=lambda: "x", private_random=b"p" * 20, public_random=b"p" * 20)
