"""Calls to many customers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.models.assistant import AssistantOverrides
from api.models.base import Closed, Identifier
from api.models.call import Customer, SchedulePlan
from api.models.plans import Server

CAMPAIGN_CUSTOMERS = 10_000
"""The most that one campaign may call."""

Customers = Annotated[list[Customer], Field(max_length=CAMPAIGN_CUSTOMERS)]
CampaignMessage = Literal[
    "campaign.started",
    "campaign.cancelled",
    "campaign.ended",
    "campaign.archived",
    "campaign.unarchived",
    "contact.dispatched",
    "contact.completed",
    "contact.failed",
    "contact.skipped",
    "contact.predial-failed",
    "campaign.job.continued",
]


class DialPlanEntry(Closed):
    """Which number calls whom."""

    phone_number_id: Identifier
    customers: Customers


class PredialPlan(Closed):
    """Whether the tenant's server is asked before each call."""

    enabled: bool | None = None


class CampaignBody(Closed):
    """Body of ``POST /campaign``."""

    name: str
    assistant_id: Identifier | None = None
    squad_id: Identifier | None = None
    workflow_id: Identifier | None = None
    phone_number_id: Identifier | None = None
    customers: Customers | None = None
    dial_plan: list[DialPlanEntry] | None = None
    schedule_plan: SchedulePlan | None = None
    max_concurrency: Annotated[float, Field(ge=1)] | None = None
    assistant_overrides: AssistantOverrides | None = None
    squad_overrides: AssistantOverrides | None = None
    server: Server | None = None
    server_messages: list[CampaignMessage] | None = None
    predial_plan: PredialPlan | None = None
    duplicate_from_campaign_id: Identifier | None = None
    status: Annotated[
        Literal["ended", "cancelled"] | None, Field(description="Only in changes: ends the campaign.")
    ] = None
