"""``If-Match``: a change is made only to the version that its author has seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from starlette.requests import Request

from api.errors import bad_request
from domain.aggregate import Aggregate, Refused
from domain.event import Event


class Versioned(Protocol):
    """A state that counts the events it was folded from."""

    @property
    def version(self) -> int: ...


_VERSION: Final = re.compile(r"\d{1,18}", re.ASCII)

V = TypeVar("V", bound=Versioned)
C = TypeVar("C")


class VersionMismatch(Refused):
    """The object has changed since the version that ``If-Match`` names (HTTP 412)."""


def expected_version(request: Request) -> int | None:
    """The version in ``If-Match``; ``None`` without the header or for ``*``. Raises ``Problem`` 400."""
    header = request.headers.get("if-match", "*").strip()
    if header == "*":
        return None
    text = header.strip('"')
    if _VERSION.fullmatch(text) is None:
        raise bad_request(
            f"The If-Match header {header!r} is not the version of an object.",
            detail='Send the ETag of an earlier answer, for example If-Match: "3".',
        )
    return int(text)


def only_version(aggregate: Aggregate[V, C], expected: int | None) -> Aggregate[V, C]:
    """``aggregate``, deciding nothing unless its state is at ``expected``.

    The check is part of the decision, so it also holds when the append meets a conflict and decides again.
    """
    if expected is None:
        return aggregate

    def decide(state: V | None, command: C) -> Sequence[Event]:
        if state is not None and state.version != expected:
            raise VersionMismatch(
                f"The object is at version {state.version}, not {expected}.",
                field="If-Match",
                fix="Read it again and repeat the change on what you find.",
            )
        return aggregate.decide(state, command)

    return replace(aggregate, decide=decide)
