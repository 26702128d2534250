"""Creating an object once: a retry with the same ``Idempotency-Key`` gets the object that the first request made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.responses import Response

from api.authentication import Principal
from api.context import ApiContext
from api.idempotency import CreationIds, refuse_other_body
from api.preconditions import Versioned
from api.responses import json_response
from domain.aggregate import Aggregate, Conflicting
from domain.log.receipt import CommitIdReused

S = TypeVar("S", bound=Versioned)
C = TypeVar("C")


async def create_once(
    context: ApiContext,
    principal: Principal,
    aggregate: Aggregate[S, C],
    ids: CreationIds,
    *,
    sent: object,
    sent_as: str,
    command: Callable[[], C],
    body: Callable[[S], dict[str, Any]],
) -> Response:
    """201 with the object.

    ``sent`` is what the creating event keeps in its attribute ``sent_as``; a repeated key with something else is
    refused with 422. ``command`` is called only when there is something to create, so what it checks and raises
    cannot spoil a retry.
    """
    documents, log = context.dependencies.documents, context.dependencies.log

    def repeated() -> Response | None:
        document = documents.get(aggregate.kind, ids.object_id, org_id=principal.org_id) if ids.repeatable else None
        if document is None:
            return None
        refuse_other_body(log, ids.object_id, sent_as, sent)
        return json_response(
            body(document.state), status=201, position=context.seen(principal), version=document.version
        )

    if (answer := repeated()) is not None:
        return answer
    try:
        state, appended = await context.dependencies.commands.execute(
            aggregate, ids.object_id, command(), commit_id=ids.commit_id
        )
    except (Conflicting, CommitIdReused):
        # Another request with the same key came between our look and our append.
        if (answer := repeated()) is not None:
            return answer
        raise
    return json_response(body(state), status=201, position=appended.position, version=state.version)
