"""Point reads and newest-first lists over the documents that the log keeps in step with its events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.log.codec import BodyPruned
from domain.log.ports import Document
from streams.log.datastore import LogDatastore
from streams.log.fold import microseconds
from streams.log.states import States

Bounds = tuple[tuple[str, datetime], ...]
_COMPARISONS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


class DocumentReader:
    """Reads documents on the calling thread's own connection. What a process appended it can read at once."""

    def __init__(self, datastore: LogDatastore, states: States) -> None:
        self._datastore = datastore
        self._states = states

    def get(self, kind: str, originator_id: str, *, org_id: str | None = None) -> Document | None:
        """The live document, or ``None`` when missing, deleted, or another organisation's.

        Raises ``BodyPruned`` where this organisation's document was given up to the archive.
        """
        try:
            found = self.current(originator_id)
        except BodyPruned:
            owner = self._datastore.rows("SELECT org_id FROM pruned WHERE originator_id=?", (originator_id,))
            if org_id is not None and owner != [(org_id,)]:
                return None
            raise
        if found is None or found.kind != kind or found.keys.deleted:
            return None
        return found if org_id is None or found.keys.org_id == org_id else None

    def current(self, originator_id: str) -> Document | None:
        """The document whatever its kind, deleted ones too. Raises ``BodyPruned`` where it was given up."""
        rows = self._datastore.rows("SELECT kind, version FROM documents WHERE id=?", (originator_id,))
        if rows:
            return self._document(originator_id, *rows[0])
        pruned = self._datastore.rows("SELECT version FROM pruned WHERE originator_id=?", (originator_id,))
        if pruned:
            raise BodyPruned(originator_id, pruned[0][0])
        return None

    def find_key(self, key_hash: str) -> Document | None:
        """The live document that a key with this hash opens."""
        rows = self._datastore.rows(
            "SELECT kind, document_id FROM key_hashes WHERE hash=? ORDER BY document_id", (key_hash,)
        )
        return self.get(*rows[0]) if rows else None

    def list(
        self,
        kind: str,
        *,
        org_id: str | None = None,
        limit: int = 100,
        reference: str | None = None,
        status: Sequence[str] = (),
        created: Bounds = (),
        updated: Bounds = (),
        offset: int = 0,
        oldest_first: bool = False,
    ) -> list[Document]:
        """Live documents, newest first unless ``oldest_first``.

        Raises ``ValueError`` for a bound that is not gt, ge, lt or le.
        """
        where, parameters = _conditions(kind, org_id, reference, status, created, updated)
        order = "created_at, id" if oldest_first else "created_at DESC, id DESC"
        rows = self._datastore.rows(
            f"SELECT id, kind, version FROM documents WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608  # only fixed fragments
            [*parameters, limit, offset],
        )
        return [self._document(*row) for row in rows]

    def count(
        self,
        kind: str,
        *,
        org_id: str | None = None,
        reference: str | None = None,
        status: Sequence[str] = (),
        created: Bounds = (),
        updated: Bounds = (),
    ) -> int:
        """How many live documents there are. Raises ``ValueError`` as ``list`` does."""
        where, parameters = _conditions(kind, org_id, reference, status, created, updated)
        rows = self._datastore.rows(f"SELECT count(*) FROM documents WHERE {where}", parameters)  # noqa: S608  # only fixed fragments
        return int(rows[0][0])

    def _document(self, originator_id: str, kind: str, version: int) -> Document:
        with self._datastore.reading() as connection:
            state = self._states.at(connection, kind, originator_id, version)
        return Document(originator_id, kind, version, self._states.aggregates[kind].keys(state), state)


def _conditions(
    kind: str, org_id: str | None, reference: str | None, status: Sequence[str], created: Bounds, updated: Bounds
) -> tuple[str, list[Any]]:
    conditions, parameters = ["kind=?", "deleted=0"], list[Any]([kind])
    if org_id is not None:
        conditions.append("org_id=?")
        parameters.append(org_id)
    if reference is not None:
        conditions.append("reference=?")
        parameters.append(reference)
    if status:
        conditions.append(f"status IN ({','.join('?' * len(status))})")
        parameters.extend(status)
    # Nothing changes before it is made: what limits the change limits the creation too, which the index is sorted by.
    made = (*created, *((comparison, time) for comparison, time in updated if comparison in ("lt", "le")))
    for column, bounds in (("created_at", _tightest(made)), ("updated_at", updated)):
        for comparison, time in bounds:
            if comparison not in _COMPARISONS:
                raise ValueError(f"bound {comparison!r} on {column} is not one of {', '.join(_COMPARISONS)}")
            conditions.append(f"{column}{_COMPARISONS[comparison]}?")
            parameters.append(microseconds(time))
    return " AND ".join(conditions), parameters


def _tightest(bounds: Bounds) -> Bounds:
    """One bound from below and one from above: of several SQLite would look up one, and only filter by the others."""
    lower = max(
        (bound for bound in bounds if bound[0] in ("gt", "ge")), key=lambda b: (b[1], b[0] == "gt"), default=None
    )
    upper = min(
        (bound for bound in bounds if bound[0] in ("lt", "le")), key=lambda b: (b[1], b[0] == "le"), default=None
    )
    others = tuple(bound for bound in bounds if bound[0] not in _COMPARISONS)
    return (*(bound for bound in (lower, upper) if bound is not None), *others)
