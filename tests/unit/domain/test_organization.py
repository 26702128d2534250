from __future__ import annotations

import pytest

from domain.aggregate import Conflicting, NotFound, Refused
from domain.keys import hash_key
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import CreateOrganization, DescribeKey, IssueKey, RevokeKey, SetLimits
from domain.organization.events import (
    KeyDescribed,
    KeyIssued,
    KeyRestrictions,
    KeyRevoked,
    LimitsSet,
    OrganizationCreated,
    OrganizationPlaced,
)
from domain.organization.state import Limits
from tests.unit.domain.specification import ORIGINATOR, fold, given, recorded

CREATED = OrganizationCreated(name="Dental Ulm")
PLACED = OrganizationPlaced(shard=3)
HASH, OTHER_HASH = hash_key("one"), hash_key("two")
ISSUED = KeyIssued(key_id="k1", tag="private", hash=HASH)


def test_a_new_organization_is_placed_in_the_same_decision() -> None:
    given(ORGANIZATION).when(CreateOrganization(name="Dental Ulm", shard=3)).then(CREATED, PLACED)


def test_an_organization_is_created_once() -> None:
    given(ORGANIZATION, CREATED, PLACED).when(CreateOrganization(name="Again")).refused(Conflicting, because="exists")


@pytest.mark.parametrize(
    ("command", "field"),
    [(CreateOrganization(name="  "), "name"), (CreateOrganization(name="x", shard=-1), "shard")],
)
def test_an_organization_needs_a_name_and_a_shard(command: CreateOrganization, field: str) -> None:
    given(ORGANIZATION).when(command).refused(Refused, because="", field=field)


def test_a_key_is_issued_by_its_hash() -> None:
    given(ORGANIZATION, CREATED, PLACED).when(IssueKey(key_id="k1", tag="private", hash=HASH)).then(ISSUED)


@pytest.mark.parametrize("not_a_hash", ["", "my-secret-key", HASH.upper(), HASH + "0"])
def test_what_is_not_a_hash_is_refused_lest_a_key_reach_the_log(not_a_hash: str) -> None:
    command = IssueKey(key_id="k1", tag="private", hash=not_a_hash)
    given(ORGANIZATION, CREATED, PLACED).when(command).refused(Refused, because="SHA-256", field="hash")


@pytest.mark.parametrize(("key_id", "key_hash"), [("k1", OTHER_HASH), ("k2", HASH)])
def test_neither_id_nor_hash_is_issued_twice(key_id: str, key_hash: str) -> None:
    command = IssueKey(key_id=key_id, tag="public", hash=key_hash)
    given(ORGANIZATION, CREATED, PLACED, ISSUED).when(command).refused(Conflicting, because="in force already")


def test_a_key_in_force_can_be_revoked() -> None:
    given(ORGANIZATION, CREATED, PLACED, ISSUED).when(RevokeKey(key_id="k1")).then(KeyRevoked(key_id="k1"))


def test_a_revoked_key_is_unknown() -> None:
    revoked = KeyRevoked(key_id="k1")
    given(ORGANIZATION, CREATED, PLACED, ISSUED, revoked).when(RevokeKey(key_id="k1")).refused(NotFound, because="k1")


def test_nothing_can_be_asked_of_an_organization_that_does_not_exist() -> None:
    given(ORGANIZATION).when(RevokeKey(key_id="k1")).refused(NotFound, because="does not exist")


def test_an_organization_is_found_by_the_hashes_of_the_keys_in_force() -> None:
    second = KeyIssued(key_id="k2", tag="public", hash=OTHER_HASH)
    events = [CREATED, PLACED, ISSUED, second]
    assert ORGANIZATION.keys(fold(ORGANIZATION, events)).key_hashes == (HASH, OTHER_HASH)
    after = fold(ORGANIZATION, [*events, KeyRevoked(key_id="k1")])
    assert ORGANIZATION.keys(after).key_hashes == (OTHER_HASH,)
    assert ORGANIZATION.keys(after).org_id == ORIGINATOR


def test_an_organization_is_never_moved_to_another_shard() -> None:
    assert fold(ORGANIZATION, [CREATED, PLACED, OrganizationPlaced(shard=7)]).shard == 3


def test_a_history_begins_with_the_creation() -> None:
    with pytest.raises(NotFound, match=r"organization\.placed cannot follow"):
        ORGANIZATION.evolve(None, recorded([PLACED])[0])


WIDGET = KeyRestrictions(allowed_origins=("https://shop.example",))
DESCRIBED = KeyDescribed(key_id="k1", name="widget", restrictions=WIDGET)


def test_a_key_can_be_issued_with_restrictions_in_one_decision() -> None:
    command = IssueKey(key_id="k1", tag="public", hash=HASH, name="widget", restrictions=WIDGET)
    issued = KeyIssued(key_id="k1", tag="public", hash=HASH, name="widget")
    given(ORGANIZATION, CREATED, PLACED).when(command).then(issued, DESCRIBED)


def test_a_key_gets_another_name_and_other_restrictions_as_a_whole() -> None:
    state = fold(ORGANIZATION, [CREATED, PLACED, ISSUED, DESCRIBED])
    key = state.key("k1")
    assert key is not None
    assert (key.name, key.restrictions, key.hash) == ("widget", WIDGET, HASH)
    freed = fold(ORGANIZATION, [CREATED, PLACED, ISSUED, DESCRIBED, KeyDescribed(key_id="k1", name="w")]).key("k1")
    assert freed is not None
    assert freed.restrictions is None


def test_saying_of_a_key_what_it_is_already_records_nothing() -> None:
    command = DescribeKey(key_id="k1", name="widget", restrictions=WIDGET)
    given(ORGANIZATION, CREATED, PLACED, ISSUED).when(command).then(DESCRIBED)
    given(ORGANIZATION, CREATED, PLACED, ISSUED, DESCRIBED).when(command).then()


def test_a_key_that_is_not_in_force_cannot_be_described() -> None:
    given(ORGANIZATION, CREATED, PLACED).when(DescribeKey(key_id="k1", name="x")).refused(NotFound, because="k1")


def test_limits_of_its_own_replace_those_of_the_installation() -> None:
    limits = Limits(concurrent_calls=3)
    given(ORGANIZATION, CREATED, PLACED).when(SetLimits(limits=limits)).then(LimitsSet(concurrent_calls=3))
    assert fold(ORGANIZATION, [CREATED, PLACED, LimitsSet(concurrent_calls=3)]).limits == limits
    given(ORGANIZATION, CREATED, PLACED, LimitsSet(concurrent_calls=3)).when(SetLimits(limits=limits)).then()
    negative = SetLimits(limits=Limits(concurrent_calls=-1))
    given(ORGANIZATION, CREATED, PLACED).when(negative).refused(Refused, because="negative", field="concurrent_calls")
