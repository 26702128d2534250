"""The board that every organisation has: made when it is first asked for."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Final
from uuid import UUID, uuid5

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.configuration.routes import Views
from api.context import ApiContext
from api.documentation import describe
from api.models.board import BoardBody
from api.resources.boards import BOARDS
from api.resources.insights import INSIGHTS
from api.responses import json_response
from api.sections import Section
from domain.aggregate import Conflicting
from domain.configuration.commands import CreateConfiguration
from domain.insights.overview import INSIGHTS as SYSTEM_INSIGHTS
from domain.insights.overview import SYSTEM_KEY, overview_board
from domain.log.ports import Step

_NAMESPACE: Final = UUID("0b6a2a9e-5a0c-5f0e-8a51-6f9a1f4d7c55")


def board_routes(context: ApiContext) -> APIRouter:
    """The default board. Everything else is what every configuration resource can do."""
    router = Section(tags=[BOARDS.tag])
    dependencies, view = context.dependencies, Views(BOARDS, context).body

    @router.get(
        f"{BOARDS.path}/default/{SYSTEM_KEY}",
        summary="Get the overview, which is made at first",
        **describe(returns=BoardBody),
    )
    async def overview(request: Request) -> Response:
        principal = await context.caller(request)
        # Ids follow from the organisation, so that requests at the same time make one board. Where an earlier one
        # was deleted, its id is not free any more and the next is taken.
        for generation in count():
            board_id = _id(principal, generation, SYSTEM_KEY)
            if (document := dependencies.documents.get(BOARDS.kind, board_id, org_id=principal.org_id)) is None:
                with suppress(Conflicting):
                    await dependencies.commands.execute_together(_steps(principal, generation))
                # Still missing: it was deleted.
                document = dependencies.documents.get(BOARDS.kind, board_id, org_id=principal.org_id)
            if document is not None:
                return json_response(view(document.state), position=context.seen(principal), version=document.version)
        raise AssertionError("counting has no end")

    return router


def _steps(principal: Principal, generation: int) -> tuple[Step, ...]:
    """The board and its insights, all or nothing; the board last."""
    ids = {key: _id(principal, generation, key) for key in SYSTEM_INSIGHTS}

    def created(config: dict[str, object]) -> CreateConfiguration:
        return CreateConfiguration(org_id=principal.org_id, config=config, actor=principal.key_id)

    return (
        *(
            Step(INSIGHTS.aggregate, ids[key], created({**config, "systemKey": key}))
            for key, config in SYSTEM_INSIGHTS.items()
        ),
        Step(BOARDS.aggregate, _id(principal, generation, SYSTEM_KEY), created(overview_board(ids))),
    )


def _id(principal: Principal, generation: int, key: str) -> str:
    return str(uuid5(_NAMESPACE, f"{principal.org_id}\n{generation}\n{key}"))
