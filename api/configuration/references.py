"""Ids of other objects inside a configuration: found by path, checked when written, and in the way of deletions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.errors import Issue, Problem, invalid
from domain.log.ports import Documents

EVERY: Final = "*"
"""Stands for each item of a list in a path."""
UNBOUNDED: Final = 2**31 - 1


@dataclass(frozen=True)
class Reference:
    """Where the id of an object of ``kind`` stands: ``members.*.assistantId``."""

    path: str
    kind: str

    def under(self, prefix: str) -> Reference:
        """The same inside a larger object."""
        return Reference(f"{prefix}.{self.path}", self.kind)


@dataclass(frozen=True)
class Use:
    """Objects of ``kind`` that hold the id at ``path`` keep its object from being deleted.

    ``code`` is the discriminator of the refusal. With ``pinned_at`` the id counts only where that field beside it is
    set: a use of one version.
    """

    kind: str
    path: str
    code: str
    pinned_at: str = ""


def under(prefix: str, references: Iterable[Reference]) -> tuple[Reference, ...]:
    """All of ``references``, inside a larger object."""
    return tuple(reference.under(prefix) for reference in references)


def check_references(
    references: Sequence[Reference], config: Mapping[str, Any], documents: Documents, org_id: str
) -> None:
    """Raise ``Problem`` 400 that names every id in ``config`` of which the organisation has no such object."""
    missing: list[Issue] = []
    for reference in references:
        for path, value in found_at(config, reference.path):
            if not isinstance(value, str) or documents.get(reference.kind, value, org_id=org_id) is not None:
                continue
            dotted = ".".join(path)
            noun = reference.kind.replace("_", " ").title()
            text = f"Couldn't Get {noun}. `{dotted}` {value} Does Not Exist."
            missing.append(Issue("INVALID_VALUE", text, "/body/" + "/".join(path)))
    if missing:
        raise invalid(missing)


def refuse_while_used(uses: Sequence[Use], noun: str, object_id: str, documents: Documents, org_id: str) -> None:
    """Raise ``Problem`` 409 that names what uses the object."""
    for use in uses:
        users = [
            {"sourceType": use.kind, "sourceId": document.id}
            for document in documents.list(use.kind, org_id=org_id, limit=UNBOUNDED)
            if _uses(use, document.state.config, object_id)
        ]
        if users:
            named = ", ".join(user["sourceId"] for user in users[:5]) + (" and others" if len(users) > 5 else "")
            kind = use.kind.replace("_", " ")
            raise Problem(
                409,
                f"The {noun} {object_id} is used by {len(users)} {kind}{'' if len(users) == 1 else 's'}: {named}.",
                detail=f"Change or delete what uses it first, then delete the {noun}.",
                code="CONFLICT",
                error=use.code,
                members={"pinnedBy": users},
            )


def found_at(config: Any, path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value at ``path``, with the path to it."""
    yield from _walk(config, tuple(path.split(".")), ())


def _walk(value: Any, rest: tuple[str, ...], walked: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not rest:
        yield walked, value
        return
    first, *others = rest
    if first == EVERY:
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _walk(item, tuple(others), (*walked, str(index)))
    elif isinstance(value, dict) and first in value:
        yield from _walk(value[first], tuple(others), (*walked, first))


def _uses(use: Use, config: Mapping[str, Any], object_id: str) -> bool:
    if not use.pinned_at:
        return any(value == object_id for _, value in found_at(config, use.path))
    holder, _, field = use.path.rpartition(".")
    return any(
        isinstance(value, dict) and value.get(field) == object_id and value.get(use.pinned_at) is not None
        for _, value in found_at(config, holder)
    )
