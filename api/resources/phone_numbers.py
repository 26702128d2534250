"""``/phone-number``: numbers and SIP addresses, and who answers on them; ``/v2/phone-number`` lists them in pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from api.configuration.references import Reference
from api.configuration.resource import Resource
from api.errors import Issue
from api.models.filters import PagedFilters
from api.models.phone_number import PhoneNumberBody
from domain.configuration.kinds import CONFIGURATIONS
from domain.configuration.state import Configuration


class PhoneNumberSearch(PagedFilters):
    """``GET /v2/phone-number``."""

    search: Annotated[
        str | None, Field(max_length=100, description="Only those whose name or number contains this.")
    ] = None


def _matches(state: Configuration, filters: PhoneNumberSearch) -> bool:
    wanted = (filters.search or "").casefold()
    return any(wanted in str(state.config.get(field) or "").casefold() for field in ("name", "number", "sipUri"))


def _rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    def given(*fields: str) -> bool:
        return all(config.get(field) is not None for field in fields)

    if config.get("provider") == "twilio" and not (
        given("twilioAuthToken") or given("twilioApiKey", "twilioApiSecret")
    ):
        text = "twilioAuthToken is required, or twilioApiKey and twilioApiSecret"
        yield Issue("FIELD_REQUIRED", text, "/body/twilioAuthToken")
    targets = [field for field in ("assistantId", "squadId", "workflowId") if given(field)]
    if len(targets) > 1:
        text = f"{targets[1]} should not exist beside {targets[0]}: a number has one of them"
        yield Issue("INVALID_VALUE", text, f"/body/{targets[1]}")


def _more(state: Configuration, now: datetime) -> dict[str, Any]:
    # Nothing assigns numbers to this installation: a wish for one stays a wish.
    reachable = state.config.get("number") is not None or state.config.get("sipUri") is not None
    return {"status": "active" if reachable else "activating"}


PHONE_NUMBERS: Final = Resource(
    aggregate=CONFIGURATIONS["phone_number"],
    path="/phone-number",
    noun="phone number",
    tag="Phone numbers",
    body=PhoneNumberBody,
    fixed="provider",
    rules=_rules,
    references=(
        Reference("assistantId", "assistant"),
        Reference("squadId", "squad"),
        Reference("credentialId", "credential"),
        Reference("server.credentialId", "credential"),
    ),
    more=_more,
    shows={"status": {"enum": ["active", "activating", "blocked"]}},
)

PHONE_NUMBER_PAGES: Final = replace(
    PHONE_NUMBERS, path="/v2/phone-number", style="page", filters=PhoneNumberSearch, matches=_matches
)
"""The same objects, listed in pages; this path has no other operation."""
