"""Parameters of the delivery log, and what may be asked of an endpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from api.models.base import Instant
from api.models.filters import Query, Several
from domain.webhook.deliveries import Selection, State


class MessageQuery(Query):
    """Which messages are listed, newest first."""

    limit: Annotated[int, Field(ge=1, le=1000, description="The largest number of messages to return.")] = 100
    state: Annotated[
        Several,
        Field(
            default_factory=list,
            description="Only these: pending, delivered, dead (given up), stale (not worth sending).",
        ),
    ]
    endpoint_id: Annotated[str, Field(description="Only those of this endpoint.")] = ""
    call_id: Annotated[str, Field(description="Only those about this call, chat or session.")] = ""
    type: Annotated[str, Field(description="Only those of this type, such as end-of-call-report.")] = ""
    before: Annotated[
        int | None, Field(ge=1, le=2**63 - 1, description="The `number` of the last message of the page before.")
    ] = None

    @field_validator("state")
    @classmethod
    def _known(cls, asked: list[str]) -> list[str]:
        unknown = [state for state in asked if state not in _STATES]
        if unknown:
            raise ValueError(f"{unknown[0]} is none of {', '.join(_STATES)}")
        return asked

    def selection(self) -> Selection:
        """What to look for."""
        states: tuple[State, ...] = tuple(state for state in _STATES if state in self.state)
        chosen = Selection(states=states, endpoint_id=self.endpoint_id, about=self.call_id, type=self.type)
        return chosen if self.before is None else replace(chosen, before=self.before)


class Recover(BaseModel):
    """Which messages of an endpoint are sent again, and whether they really are."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    which: Annotated[Literal["dead", "all"], Field(description="Those that were given up, or all of the time.")] = (
        "dead"
    )
    since: Annotated[Instant | None, Field(description="Events from this time on; the first kept one if absent.")] = (
        None
    )
    until: Annotated[Instant | None, Field(description="Events before this time.")] = None
    dry_run: Annotated[bool, Field(description="Only count them.")] = False


_STATES: tuple[State, ...] = ("pending", "delivered", "dead", "stale")
