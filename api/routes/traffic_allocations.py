"""``/traffic-allocations``: which versions of an assistant get how many of its calls, and who decided so when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.bodies import check
from api.configuration.listing import page_body
from api.configuration.references import UNBOUNDED
from api.context import ApiContext
from api.documentation import describe
from api.errors import Issue, Problem, invalid, not_found
from api.idempotency import CreationIds, creation_ids, other_body
from api.models.filters import Query, parse_query
from api.models.traffic_allocation import AllocationFilters, LatestAllocationQuery, TrafficAllocationBody
from api.responses import json_response
from api.sections import Section
from domain.aggregate import DocumentKeys
from domain.log.ports import Document
from domain.log.receipt import CommitIdReused
from domain.traffic.aggregate import TRAFFIC, Allocate, StaleAllocation, traffic_id
from domain.traffic.events import Intent, Target
from domain.traffic.state import Allocation, Traffic
from domain.wire_time import iso_ms

_WHOLE = 100_000
"""All calls, in thousandths of a percent: shares have to add up exactly, which sums of binary fractions do not."""


def traffic_allocation_routes(context: ApiContext) -> APIRouter:
    """Make, list and read allocations. Nothing changes or deletes one: the next one takes its place."""
    router = Section(tags=["Traffic allocations"])
    desk = AllocationDesk(context)

    @router.post(
        "/traffic-allocations",
        summary="Share the calls of an assistant out among its versions",
        **describe(body=TrafficAllocationBody, status=201, answer="TrafficAllocation"),
    )
    async def create(request: Request) -> Response:
        principal = await context.caller(request)
        ids = creation_ids(request, principal.org_id, context.dependencies.new_id)
        body = await context.body(request)
        check(TrafficAllocationBody, body)
        return await desk.make(principal, ids, body)

    @router.get(
        "/traffic-allocations",
        summary="List allocations, newest first",
        **describe(query=AllocationFilters, answer="TrafficAllocation", listed="page"),
    )
    async def listing(request: Request) -> Response:
        principal = await context.caller(request)
        filters = parse_query(request, AllocationFilters)
        found = [
            (traffic, made) for traffic in desk.of(principal, filters.assistant_id) for made in traffic.allocations
        ]
        passing = [(traffic, made) for traffic, made in found if filters.admit(_keys(traffic, made))]
        passing.sort(key=lambda pair: (pair[1].created_at, pair[1].id), reverse=filters.sort_order == "DESC")
        shown = passing[filters.offset() :][: filters.limit]
        page = page_body([allocation_body(traffic, made) for traffic, made in shown], len(passing), filters)
        return json_response(page, position=context.seen(principal))

    @router.get(
        "/traffic-allocations/latest",
        summary="Get the allocation in force, if there is any",
        **describe(query=LatestAllocationQuery, answer="LatestTrafficAllocation"),
    )
    async def latest(request: Request) -> Response:
        principal = await context.caller(request)
        query = parse_query(request, LatestAllocationQuery)
        desk.assistant(principal, query.assistant_id)
        traffic = next(iter(desk.of(principal, query.assistant_id)), None)
        body = {} if traffic is None else {"allocation": allocation_body(traffic, traffic.current)}
        return json_response(body, position=context.seen(principal))

    @router.get(
        "/traffic-allocations/{id}", summary="Get an allocation", **describe(query=Query, answer="TrafficAllocation")
    )
    async def read(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        parse_query(request, Query)
        for traffic in desk.of(principal):
            if (made := traffic.allocation(id)) is not None:
                return json_response(allocation_body(traffic, made), position=context.seen(principal))
        raise not_found("Traffic allocation", id)

    return router


class AllocationDesk:
    """Finds and makes allocations."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._documents = context.dependencies.documents
        self._commands = context.dependencies.commands

    def of(self, principal: Principal, assistant_id: str | None = None) -> list[Traffic]:
        """The traffic of one assistant, or of every one that has any."""
        if assistant_id is None:
            listed = self._documents.list("traffic", org_id=principal.org_id, limit=UNBOUNDED)
            return [document.state for document in listed]
        document = self._documents.get("traffic", traffic_id(assistant_id), org_id=principal.org_id)
        return [] if document is None else [document.state]

    def assistant(self, principal: Principal, assistant_id: str) -> Document:
        """The assistant. Raises ``Problem`` 404, as the operation is about it, wherever its id stands."""
        document = self._documents.get("assistant", assistant_id, org_id=principal.org_id)
        if document is None:
            raise not_found("Assistant", assistant_id)
        return document

    async def make(self, principal: Principal, ids: CreationIds, body: dict[str, Any]) -> Response:
        """The allocation that a valid body asks for, once for each ``Idempotency-Key``."""
        assistant = self.assistant(principal, body["assistantId"])
        intent, targets = _wanted(body, assistant.state.revision)
        command = Allocate(
            org_id=principal.org_id,
            assistant_id=assistant.id,
            allocation_id=ids.object_id,
            intent=intent,
            targets=targets,
            description=body.get("description"),
            actor=principal.key_id,
            expected=body.get("expectedCurrentAllocationId"),
        )
        if (earlier := self._earlier(principal, ids, command)) is not None:
            return self._answer(principal, *earlier)
        try:
            traffic, _ = await self._commands.execute(
                TRAFFIC, traffic_id(assistant.id), command, commit_id=ids.commit_id
            )
        except StaleAllocation as stale:
            raise _stale(stale) from None
        except CommitIdReused:
            # Another request with the same key came between our look and our append.
            if (earlier := self._earlier(principal, ids, command)) is None:
                raise
            return self._answer(principal, *earlier)
        made = traffic.allocation(ids.object_id)
        assert made is not None, "an allocation that was appended is in the history"
        return self._answer(principal, traffic, made)

    def _earlier(self, principal: Principal, ids: CreationIds, command: Allocate) -> tuple[Traffic, Allocation] | None:
        if not ids.repeatable:
            return None
        for traffic in self.of(principal):
            if (made := traffic.allocation(ids.object_id)) is None:
                continue
            same = (traffic.assistant_id, made.intent, made.targets, made.description)
            if same != (command.assistant_id, command.intent, command.targets, command.description):
                raise other_body()
            return traffic, made
        return None

    def _answer(self, principal: Principal, traffic: Traffic, made: Allocation) -> Response:
        return json_response(allocation_body(traffic, made), status=201, position=self._context.seen(principal))


def allocation_body(traffic: Traffic, made: Allocation) -> dict[str, Any]:
    """An allocation as clients see it."""
    body: dict[str, Any] = {
        "id": made.id,
        "orgId": traffic.org_id,
        "assistantId": traffic.assistant_id,
        "allocationIntent": made.intent,
        "createdAt": iso_ms(made.created_at),
        "actorType": "api-key" if made.actor else "system",
        "targets": [
            {"assistantVersion": target.assistant_version, "position": position, "percentage": target.percentage}
            for position, target in enumerate(made.targets)
        ],
    }
    optional = {"actorId": made.actor, "description": made.description}
    return body | {name: value for name, value in optional.items() if value}


def _wanted(body: Mapping[str, Any], revision: int) -> tuple[Intent, tuple[Target, ...]]:
    """Intent and targets of a valid body. Raises ``Problem`` 400; ``revision`` is the newest version there is."""
    targets, intent = body.get("targets"), body.get("allocationIntent")
    if found := list(_contradictions(intent, targets, revision)):
        raise invalid(found)
    if not targets:
        return "follow-latest", ()
    return "explicit", tuple(
        Target(assistant_version=target["assistantVersion"], percentage=float(target["percentage"]))
        for target in targets
    )


def _contradictions(intent: str | None, targets: list[dict[str, Any]] | None, revision: int) -> Iterable[Issue]:
    if targets is None:
        if intent is None:
            text = "targets should not be empty: name versions and their shares, or send allocationIntent follow-latest"
            yield Issue("FIELD_REQUIRED", text, "/body/targets")
        elif intent == "explicit":
            text = "targets should not be empty when allocationIntent is explicit"
            yield Issue("FIELD_REQUIRED", text, "/body/targets")
        return
    if intent == "follow-latest":
        yield Issue(
            "FIELD_NOT_ALLOWED", "targets should not exist beside allocationIntent follow-latest", "/body/targets"
        )
        return
    seen: set[str] = set()
    for index, target in enumerate(targets):
        version, pointer = target["assistantVersion"], f"/body/targets/{index}/assistantVersion"
        if int(version[1:]) > revision:
            text = f"targets.{index}.assistantVersion {version} Does Not Exist: the assistant has v1 to v{revision}."
            yield Issue("INVALID_VALUE", text, pointer)
        if version in seen:
            yield Issue("INVALID_VALUE", f"targets.{index}.assistantVersion {version} stands there twice", pointer)
        seen.add(version)
    whole = sum(round(target["percentage"] * 1000) for target in targets)
    if whole != _WHOLE:
        text = f"targets must have percentages that add up to 100, not {whole / 1000:g}"
        yield Issue("INVALID_VALUE", text, "/body/targets")


def _stale(stale: StaleAllocation) -> Problem:
    return Problem(
        409,
        stale.reason,
        detail=stale.fix,
        code="CONFLICT",
        error="stale_allocation",
        members={"currentAllocationId": stale.current},
    )


def _keys(traffic: Traffic, made: Allocation) -> DocumentKeys:
    return DocumentKeys(org_id=traffic.org_id, created_at=made.created_at, updated_at=made.created_at)
