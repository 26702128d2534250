"""``Idempotency-Key`` on creating requests: a retry with the same key gives the object that the first one made.

Nothing is stored for it. The ids of the commit and of the object are derived from organisation, path and key, so the
log itself refuses the second creation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from starlette.requests import Request

from api.errors import Problem, bad_request
from domain.log.ports import EventLog, IdSource

_NAMESPACE: Final = UUID("6f2f0a3e-7a57-5c1e-9d7b-0d8f5b1c3a42")
LONGEST_KEY: Final = 255


@dataclass(frozen=True)
class CreationIds:
    """Ids for a new object and its commit; ``repeatable`` when they come from a key."""

    object_id: str
    commit_id: str | None
    repeatable: bool


def creation_ids(request: Request, org_id: str, new_id: IdSource) -> CreationIds:
    """Derived from the request's ``Idempotency-Key``, or fresh. Raises ``Problem`` 400 for an unusable key."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return CreationIds(new_id(), None, False)
    if not 0 < len(key) <= LONGEST_KEY:
        raise bad_request(
            f"The Idempotency-Key header has {len(key)} characters.",
            detail=f"Send 1 to {LONGEST_KEY} characters, a UUID for example.",
        )
    name = "\n".join((org_id, request.url.path, key))
    return CreationIds(str(uuid5(_NAMESPACE, f"object\n{name}")), str(uuid5(_NAMESPACE, f"commit\n{name}")), True)


def refuse_other_body(log: EventLog, object_id: str, field: str, body: object) -> None:
    """Raise ``Problem`` 422 when the object was made from another body than this one.

    ``field`` is the attribute of the creating event that holds the body as sent.
    """
    history = log.history(object_id)
    if history and getattr(history[0].recorded.event, field) != body:
        raise other_body()


def other_body() -> Problem:
    """422 for a key that made an object from another body."""
    return Problem(
        422,
        "The Idempotency-Key was used before with another request body.",
        detail="Send a new Idempotency-Key for a new request.",
        code="IDEMPOTENCY_KEY_REUSED",
    )
