"""Creating an object once: a retry with the same ``Idempotency-Key`` gets the object that the first request made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from starlette.responses import Response

from api.authentication import Principal
from api.context import ApiContext
from api.idempotency import CreationIds, refuse_other_body
from api.preconditions import Versioned
from api.responses import json_response
from domain.aggregate import Aggregate, Conflicting
from domain.log.ports import Appended, Step
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
    beside: Sequence[Step] = (),
    then: Callable[[S, Appended], Awaitable[tuple[S, Appended]]] | None = None,
) -> Response:
    """201 with the object.

    ``sent`` is what the creating event keeps in its attribute ``sent_as``; a repeated key with something else is
    refused with 422. ``command`` is called only when there is something to create, so what it checks and raises
    cannot spoil a retry. ``beside`` are commands to other aggregates that are one commit with it; ``then`` is what
    follows a creation at once, and never a repetition.
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
        (state, *_), appended = await context.dependencies.commands.execute_together(
            (Step(aggregate, ids.object_id, command()), *beside), commit_id=ids.commit_id
        )
    except (Conflicting, CommitIdReused):
        # Another request with the same key came between our look and our append.
        if (answer := repeated()) is not None:
            return answer
        raise
    if then is not None:
        state, appended = await then(state, appended)
    return json_response(body(state), status=201, position=appended.position, version=state.version)
