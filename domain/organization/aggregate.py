"""How an organisation's state follows from its events, and its events from commands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import asdict, replace

from domain.aggregate import Aggregate, Conflicting, DocumentKeys, NotFound, Refused
from domain.event import Event, Recorded
from domain.organization.commands import (
    Configure,
    CreateOrganization,
    DescribeKey,
    IssueKey,
    OrganizationCommand,
    RevokeKey,
    SetLimits,
)
from domain.organization.events import (
    KeyDescribed,
    KeyIssued,
    KeyRevoked,
    LimitsSet,
    OrganizationConfigured,
    OrganizationCreated,
    OrganizationPlaced,
)
from domain.organization.state import Key, Limits, Organization, key_hashes

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def evolve(state: Organization | None, recorded: Recorded) -> Organization:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with its creation."""
    event, time, version = recorded.event, recorded.time, recorded.originator_version
    if state is None:
        if not isinstance(event, OrganizationCreated):
            raise NotFound(f"Organization {recorded.originator_id} does not exist, so {event.TYPE} cannot follow.")
        return Organization(
            id=recorded.originator_id, name=event.name, created_at=time, updated_at=time, version=version
        )
    match event:
        case OrganizationPlaced(shard=shard) if state.shard is None:
            return replace(state, shard=shard, updated_at=time, version=version)
        case KeyIssued():
            key = Key(id=event.key_id, tag=event.tag, hash=event.hash, name=event.name, issued_at=time)
            return replace(state, keys=(*state.keys, key), updated_at=time, version=version)
        case KeyRevoked(key_id=key_id):
            kept = tuple(key for key in state.keys if key.id != key_id)
            return replace(state, keys=kept, updated_at=time, version=version)
        case KeyDescribed():
            keys = tuple(_described(key, event, recorded) for key in state.keys)
            return replace(state, keys=keys, updated_at=time, version=version)
        case LimitsSet():
            return replace(state, limits=Limits(**asdict(event)), updated_at=time, version=version)
        case OrganizationConfigured(config=config):
            return replace(state, config=config, updated_at=time, version=version)
        case _:
            return replace(state, updated_at=time, version=version)


def _described(key: Key, event: KeyDescribed, recorded: Recorded) -> Key:
    if key.id != event.key_id:
        return key
    return replace(key, name=event.name, restrictions=event.restrictions, changed_at=recorded.time)


def decide(state: Organization | None, command: OrganizationCommand) -> Sequence[Event]:
    """The events that ``command`` leads to, or ``Refused``."""
    if isinstance(command, CreateOrganization):
        return _create(state, command)
    if state is None:
        raise NotFound("The organization does not exist.", fix="Create it with `callfold org create`.")
    match command:
        case IssueKey():
            return _issue(state, command)
        case RevokeKey(key_id=key_id):
            _require_key(state, key_id)
            return [KeyRevoked(key_id=key_id)]
        case DescribeKey(key_id=key_id, name=name, restrictions=restrictions):
            key = _require_key(state, key_id)
            if (key.name, key.restrictions) == (name, restrictions):
                return []
            return [KeyDescribed(key_id=key_id, name=name, restrictions=restrictions)]
        case SetLimits(limits=limits):
            return _limit(state, limits)
        case Configure(changes=changes, actor=actor):
            config = {name: value for name, value in {**state.config, **changes}.items() if value is not None}
            return [] if config == state.config else [OrganizationConfigured(config=config, actor=actor)]


def _require_key(state: Organization, key_id: str) -> Key:
    key = state.key(key_id)
    if key is None:
        raise NotFound(f"No key {key_id} is in force.", field="keyId")
    return key


def _limit(state: Organization, limits: Limits) -> Sequence[Event]:
    for field, value in asdict(limits).items():
        if value is not None and value < 0:
            raise Refused(f"{value} is negative.", field=field, fix="Give 0 or more, or nothing for the default.")
    return [] if limits == state.limits else [LimitsSet(**asdict(limits))]


def _create(state: Organization | None, command: CreateOrganization) -> Sequence[Event]:
    if state is not None:
        raise Conflicting(f"Organization {state.id} exists already.")
    if not command.name.strip():
        raise Refused("The name is empty.", field="name", fix="Give the organization a name.")
    if command.shard < 0:
        raise Refused(f"Shard {command.shard} is negative.", field="shard", fix="Shards count from 0.")
    return [OrganizationCreated(name=command.name), OrganizationPlaced(shard=command.shard)]


def _issue(state: Organization, command: IssueKey) -> Sequence[Event]:
    if not _SHA256_HEX.fullmatch(command.hash):
        raise Refused("The hash is not a hex SHA-256.", field="hash", fix="Send the hash of the key, never the key.")
    if any(key.id == command.key_id or key.hash == command.hash for key in state.keys):
        raise Conflicting(f"Key {command.key_id} is in force already.", field="keyId")
    issued = KeyIssued(key_id=command.key_id, tag=command.tag, hash=command.hash, name=command.name)
    if command.restrictions is None:
        return [issued]
    described = KeyDescribed(key_id=command.key_id, name=command.name, restrictions=command.restrictions)
    return [issued, described]


def keys(state: Organization) -> DocumentKeys:
    """An organisation belongs to itself and is found by the hashes of its keys."""
    return DocumentKeys(
        org_id=state.id, created_at=state.created_at, updated_at=state.updated_at, key_hashes=key_hashes(state)
    )


ORGANIZATION: Aggregate[Organization, OrganizationCommand] = Aggregate(
    kind="organization", state_type=Organization, evolve=evolve, decide=decide, keys=keys
)
