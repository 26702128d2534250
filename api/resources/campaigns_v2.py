"""``/v2/campaign``: the same campaigns, shown without their customers, whom ``/contacts`` lists in pages.

They cannot be changed once they are made, only cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from pydantic import Field

from api.configuration.resource import JsonObject
from api.models.filters import PastQuery, Query, Several
from api.resources.campaigns import CAMPAIGNS, CampaignFilters
from domain.configuration.state import Configuration

ContactStatus = Literal[
    "contact.pending",
    "contact.dispatched",
    "contact.completed",
    "contact.failed",
    "contact.skipped",
    "contact.predial-failed",
]
_NAMESPACE: Final = UUID("c2f0a1de-52a7-5f0b-9d0e-4d6f1a9b7c33")
_OVER: Final = frozenset({"ended", "cancelled"})


class CampaignV2Filters(CampaignFilters):
    """``GET /v2/campaign``."""

    include_counters: Annotated[bool | None, Field(description="Counters are always there.")] = None


class CampaignV2Query(PastQuery):
    """``GET /v2/campaign/{id}``."""

    include_counters: Annotated[bool | None, Field(description="Counters are always there.")] = None


class ContactFilters(Query):
    """``GET /v2/campaign/{id}/contacts``."""

    status: Several | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    sort_by: Literal["position", "status"] = "position"


def contacts(state: Configuration) -> Iterator[JsonObject]:
    """Whom the campaign is to call, in the order in which they were given."""
    config = state.config
    plans = config.get("dialPlan") or [{"customers": config.get("customers") or []}]
    status: ContactStatus = "contact.skipped" if config.get("status") in _OVER else "contact.pending"
    customers = (customer for plan in plans for customer in plan["customers"])
    for position, customer in enumerate(customers):
        row = {
            "id": str(uuid5(_NAMESPACE, f"{state.id}\n{position}")),
            "campaignId": state.id,
            "number": customer.get("number"),
            "name": customer.get("name"),
            "status": status,
        }
        yield {name: value for name, value in row.items() if value is not None}


def _more(state: Configuration, now: datetime) -> dict[str, Any]:
    counters = dict.fromkeys(("pending", "dispatched", "completed", "failed", "skipped", "predialFailed"), 0)
    for contact in contacts(state):
        counters[contact["status"].removeprefix("contact.")] += 1
    return {
        **CAMPAIGNS.more(state, now),
        "contactCounters": counters,
        "callMetrics": {"dialed": 0, "connected": 0},
    }


CAMPAIGNS_V2: Final = replace(
    CAMPAIGNS,
    path="/v2/campaign",
    filters=CampaignV2Filters,
    read_query=CampaignV2Query,
    changeable=frozenset({"status"}),
    hidden=frozenset({"customers", "dialPlan"}),
    more=_more,
)
