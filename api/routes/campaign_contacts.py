"""``/v2/campaign/{id}/contacts``: whom a campaign calls, and what became of it."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.context import ApiContext
from api.documentation import describe
from api.errors import Issue, invalid, not_found
from api.models.filters import parse_query
from api.resources.campaigns_v2 import ContactFilters, ContactStatus, contacts
from api.responses import json_response
from api.sections import Section


def campaign_contact_routes(context: ApiContext) -> APIRouter:
    """The list and nothing else: contacts follow from the campaign."""
    router = Section(tags=["Campaigns"])

    @router.get(
        "/v2/campaign/{id}/contacts",
        summary="List the contacts of a campaign",
        **describe(query=ContactFilters, answer="Contact", listed="page"),
    )
    async def listing(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        filters = parse_query(request, ContactFilters)
        for status in filters.status or ():
            if status not in get_args(ContactStatus):
                choices = ", ".join(get_args(ContactStatus))
                text = f"each value in status must be one of the following values: {choices}"
                raise invalid([Issue("INVALID_CHOICE", text, "/query/status")])
        document = context.dependencies.documents.get("campaign", id, org_id=principal.org_id)
        if document is None:
            raise not_found("Campaign", id)
        found = [row for row in contacts(document.state) if not filters.status or row["status"] in filters.status]
        if filters.sort_by == "status":
            found.sort(key=lambda row: str(row["status"]))
        first = (filters.page - 1) * filters.limit
        pages = -(-len(found) // filters.limit)
        body = {
            "results": found[first : first + filters.limit],
            "metadata": {
                "itemsPerPage": filters.limit,
                "totalItems": len(found),
                "currentPage": filters.page,
                "totalPages": pages,
                "hasNextPage": filters.page < pages,
            },
        }
        return json_response(body, position=context.seen(principal), version=document.version)

    return router
