"""Say in comments what events happen to, which are more things than there were, and which calls name no assistant."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

_CALLS = ("calls_v1", "calls_v1_newest", "calls")
_EVENTS = ("events_v1", "events")

COMMENTS = (
    (
        _CALLS,
        "assistant_id",
        "Stored assistant that answers; null for one sent inside the request",
        "Stored assistant that answers; null for one sent inside the request, and where a squad does",
    ),
    (
        _EVENTS,
        "originator_kind",
        "organization, assistant or call",
        "What the event happened to: call, chat, session, assistant, organization, …",
    ),
    (
        _EVENTS,
        "originator_id",
        "Organisation, assistant or call that the event happened to",
        "Id of the call, chat, assistant, … that the event happened to",
    ),
)
"""Tables and views with a column, its comment before, and from now on."""


def upgrade() -> None:
    """Nothing but what people read changes."""
    for names, column, _, comment in COMMENTS:
        _describe(names, column, comment)


def downgrade() -> None:
    """As it was."""
    for names, column, comment, _ in COMMENTS:
        _describe(names, column, comment)


def _describe(names: tuple[str, ...], column: str, comment: str) -> None:
    for name in names:
        op.execute(f"ALTER TABLE {name} COMMENT COLUMN `{column}` '{comment}'")
