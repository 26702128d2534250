"""``/campaign``: calls to many customers. Campaigns are kept, and can be cancelled; nothing dials them yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from api.configuration.references import Reference, under
from api.configuration.resource import JsonObject, Resource
from api.errors import Issue
from api.models.campaign import CAMPAIGN_CUSTOMERS, CampaignBody
from api.models.filters import PagedFilters
from api.resources.assistants import ASSISTANT_REFERENCES
from domain.configuration.kinds import CONFIGURATIONS
from domain.configuration.state import Configuration
from domain.log.ports import Documents

_TARGETS: Final = ("assistantId", "squadId", "workflowId")
_COUNTERS: Final = (
    "callsCounterScheduled",
    "callsCounterQueued",
    "callsCounterInProgress",
    "callsCounterEnded",
    "callsCounterEndedVoicemail",
)
_ENDED: Final = frozenset({"ended", "cancelled"})
_DUPLICATE: Final = "duplicateFromCampaignId"


class CampaignFilters(PagedFilters):
    """``GET /campaign``."""

    id: str | None = None
    status: Literal["scheduled", "in-progress", "ended", "cancelled", "archived"] | None = None


def _status(state: Configuration) -> str:
    return state.config.get("status") or "scheduled"


def _matches(state: Configuration, filters: CampaignFilters) -> bool:
    return filters.status in (None, _status(state))


def _rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    def given(field: str) -> bool:
        return config.get(field) is not None

    targets = [field for field in _TARGETS if given(field)]
    if len(targets) != 1:
        text = f"exactly one of {', '.join(_TARGETS)} is required"
        yield Issue("FIELD_REQUIRED", text, f"/body/{targets[1] if targets else _TARGETS[0]}")
    if given("dialPlan"):
        for field in ("phoneNumberId", "customers"):
            if given(field):
                yield Issue("FIELD_NOT_ALLOWED", f"property {field} should not exist beside dialPlan", f"/body/{field}")
        called = sum(len(entry["customers"]) for entry in config["dialPlan"])
        if called > CAMPAIGN_CUSTOMERS:
            text = f"dialPlan must contain no more than {CAMPAIGN_CUSTOMERS} customers, not {called}"
            yield Issue("OUT_OF_RANGE", text, "/body/dialPlan")
    else:
        for field in ("phoneNumberId", "customers"):
            if not given(field):
                yield Issue("FIELD_REQUIRED", f"{field} is required unless there is a dialPlan", f"/body/{field}")


def _change_rules(stored: Mapping[str, Any], changes: Mapping[str, Any], flags: Mapping[str, str]) -> Iterable[Issue]:
    if stored.get("status") in _ENDED:
        text = f"the campaign is {stored['status']} and cannot be changed any more"
        yield Issue("INVALID_VALUE", text, "/body")
    if "status" in changes and changes["status"] is None:
        yield Issue("INVALID_CHOICE", "status must be one of the following values: ended, cancelled", "/body/status")


def _prepare(body: JsonObject, documents: Documents, org_id: str) -> JsonObject:
    """What is given overrides the campaign that is duplicated."""
    source = body.get(_DUPLICATE)
    document = documents.get("campaign", source, org_id=org_id) if source is not None else None
    if document is None:
        return body
    inherited = {key: value for key, value in document.state.config.items() if key not in {"status", _DUPLICATE}}
    if any(body.get(field) is not None for field in _TARGETS):
        inherited = {key: value for key, value in inherited.items() if key not in _TARGETS}
    return {**inherited, **body}


def _more(state: Configuration, now: datetime) -> JsonObject:
    status = _status(state)
    ended = {"endedReason": "campaign.scheduled.ended-by-user"} if status in _ENDED else {}
    return {
        "status": status,
        **ended,
        "calls": {},
        **dict.fromkeys(_COUNTERS, 0),
    }


CAMPAIGNS: Final = Resource(
    aggregate=CONFIGURATIONS["campaign"],
    path="/campaign",
    noun="campaign",
    tag="Campaigns",
    body=CampaignBody,
    style="page",
    filters=CampaignFilters,
    matches=_matches,
    only_changed=frozenset({"status"}),
    changeable=frozenset({"name", *_TARGETS, "phoneNumberId", "dialPlan", "schedulePlan", "status"}),
    rules=_rules,
    change_rules=_change_rules,
    references=(
        Reference("assistantId", "assistant"),
        Reference("squadId", "squad"),
        Reference("phoneNumberId", "phone_number"),
        Reference("dialPlan.*.phoneNumberId", "phone_number"),
        Reference("server.credentialId", "credential"),
        Reference(_DUPLICATE, "campaign"),
        *under("assistantOverrides", ASSISTANT_REFERENCES),
        *under("squadOverrides", ASSISTANT_REFERENCES),
    ),
    prepare=_prepare,
    more=_more,
    shows={
        "status": {"enum": ["scheduled", "in-progress", "ended", "cancelled", "archived"]},
        "endedReason": {"type": "string"},
        "calls": {"type": "object"},
        **{counter: {"type": "integer"} for counter in _COUNTERS},
    },
    warning="campaigns are stored but not dialled by this version",
)
