"""Which code and which state schema a folded state came from, so that changed code never reads an old fold."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from hashlib import blake2b
from types import ModuleType
from typing import Any, NamedTuple

import msgspec

from domain.aggregate import Aggregate
from domain.event import Event
from domain.registry import EventType
from domain.upcasting import Upcaster


def fingerprint(aggregate: Aggregate[Any, Any], types: Mapping[str, EventType]) -> str:
    """Hash of the aggregate's state schema, its event versions, and the source of every module its fold uses.

    A changed comment changes it as well; the price is one refold, never a stale state.
    """
    return _fingerprint(aggregate, _own_types(aggregate, types))


def running_fingerprint(aggregate: Aggregate[Any, Any], types: Mapping[str, EventType]) -> str:
    """The same, found once: the code of a process does not change while it runs, and each shard of a log asks."""
    return _found_once(aggregate, _own_types(aggregate, types))


class _OwnType(NamedTuple):
    """What of an event type counts."""

    name: str
    version: int
    event_class: type[Event]
    upcasters: tuple[Upcaster, ...]


def _own_types(aggregate: Aggregate[Any, Any], types: Mapping[str, EventType]) -> tuple[_OwnType, ...]:
    return tuple(
        _OwnType(kind.name, kind.version, kind.event_class, tuple(kind.upcasters.values()))
        for _, kind in sorted(types.items())
        if kind.kind == aggregate.kind
    )


def _fingerprint(aggregate: Aggregate[Any, Any], own_types: tuple[_OwnType, ...]) -> str:
    roots: list[object] = [aggregate.evolve, aggregate.keys]
    for kind in own_types:
        roots += [kind.event_class, *kind.upcasters]
    digest = blake2b(digest_size=12)
    digest.update(msgspec.json.encode(msgspec.json.schema(aggregate.state_type), order="deterministic"))
    digest.update(msgspec.json.encode([(kind.name, kind.version) for kind in own_types]))
    for module in _reachable(roots):
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()


_found_once = cache(_fingerprint)


def _reachable(roots: Iterable[object]) -> list[ModuleType]:
    """The modules of the roots' own packages that the roots can reach through module globals, by name."""
    found: dict[str, ModuleType] = {}
    waiting = [module for root in roots if (module := _module_of(root)) is not None]
    packages = {module.__name__.partition(".")[0] for module in waiting}
    while waiting:
        module = waiting.pop()
        if module.__name__ in found or module.__name__.partition(".")[0] not in packages:
            continue
        found[module.__name__] = module
        waiting += [used for value in vars(module).values() if (used := _module_of(value)) is not None]
    return [found[name] for name in sorted(found)]


def _module_of(value: object) -> ModuleType | None:
    if isinstance(value, ModuleType):
        return value
    if isinstance(value, type | Callable):
        return sys.modules.get(getattr(value, "__module__", None) or "")
    return None
