"""``/squad``: assistants that hand a call to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from api.configuration.references import Reference, under
from api.configuration.resource import Resource, latest_version
from api.errors import Issue, bad_request, invalid
from api.models.filters import ListFilters, Several
from api.models.squad import SquadBody
from api.resources.assistants import ASSISTANT_REFERENCES
from domain.call.squads import SquadInvalid, read_squad
from domain.configuration.kinds import CONFIGURATIONS
from domain.configuration.lookup import NotStored, StoredConfigurations
from domain.log.ports import Documents

_MEMBER: Final = (
    Reference("assistantId", "assistant"),
    *under("assistant", ASSISTANT_REFERENCES),
    *under("assistantOverrides", ASSISTANT_REFERENCES),
    Reference("assistantDestinations.*.assistantId", "assistant"),
)
SQUAD_REFERENCES: Final = (*under("members.*", _MEMBER), *under("membersOverrides", ASSISTANT_REFERENCES))
"""The ids inside a squad."""


class SquadFilters(ListFilters):
    """``GET /squad``."""

    id_any: Several | None = None


def squad_rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    """Every member is one assistant, stored or inline; only a stored one has versions."""
    for index, member in enumerate(config.get("members") or ()):
        given = [name for name in ("assistantId", "assistant") if member.get(name) is not None]
        if len(given) != 1:
            text = f"members.{index} must have exactly one of assistantId, assistant"
            yield Issue("INVALID_VALUE", text, f"/body/members/{index}")
        elif member.get("assistantVersion") is not None and given != ["assistantId"]:
            text = f"members.{index}.assistantVersion needs assistantId"
            yield Issue("INVALID_VALUE", text, f"/body/members/{index}/assistantVersion")


def inline_squad_issues(squad: Mapping[str, Any]) -> list[Issue]:
    """What is wrong with a squad that stands in the field ``squad`` of another body."""
    return [
        replace(issue, message=f"squad.{issue.message}", pointer=issue.pointer.replace("/body", "/body/squad", 1))
        for issue in squad_rules(squad)
    ]


def check_inline_squad(body: Mapping[str, Any], documents: Documents, org_id: str) -> None:
    """Raise ``Problem`` 400 unless an inline squad is one that could be stored; none may have two members of one
    name."""
    squad = body.get("squad")
    if squad is None:
        return
    if issues := inline_squad_issues(squad):
        raise invalid(issues)
    try:
        read_squad(squad, StoredConfigurations(documents, None, org_id), (body.get("squadOverrides"),))
    except SquadInvalid as error:
        raise bad_request(str(error), detail="Give every assistant of the squad a name of its own.") from None
    except NotStored as error:
        raise bad_request(str(error), detail="Leave out assistantVersion, or name one there is.") from None


SQUADS: Final = Resource(
    aggregate=CONFIGURATIONS["squad"],
    path="/squad",
    noun="squad",
    tag="Squads",
    body=SquadBody,
    filters=SquadFilters,
    rules=squad_rules,
    references=SQUAD_REFERENCES,
    more=latest_version,
    shows={"latestVersion": {"type": "string"}},
)
