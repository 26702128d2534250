"""``/eval/simulation``: personalities, scenarios, simulations and suites. Their lists are bare arrays, in pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from api.configuration.references import Reference, Use, under
from api.configuration.resource import Resource
from api.errors import Issue
from api.models.filters import PagedFilters, Several
from api.models.simulation import PersonalityBody, ScenarioBody, SimulationBody, SimulationSuiteBody
from api.resources.assistants import ASSISTANT_REFERENCES
from domain.configuration.kinds import CONFIGURATIONS
from domain.configuration.state import Configuration


class NamedFilters(PagedFilters):
    """``GET /eval/simulation/suite``."""

    name: str | None = None


class ScenarioFilters(NamedFilters):
    """``GET /eval/simulation/scenario``."""

    id_any: Several | None = None


class SimulationFilters(PagedFilters):
    """``GET /eval/simulation``. ``standaloneOnly`` changes nothing: simulations are not owned by suites here."""

    id_any: Several | None = None
    standalone_only: bool | None = None


def _has_name(state: Configuration, filters: NamedFilters) -> bool:
    return (filters.name or "").casefold() in str(state.config.get("name") or "").casefold()


def _scenario_rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    for index, evaluation in enumerate(config.get("evaluations") or ()):
        at, pointer = f"evaluations.{index}", f"/body/evaluations/{index}"
        given = [name for name in ("structuredOutputId", "structuredOutput") if evaluation.get(name) is not None]
        if len(given) != 1:
            text = f"{at} must have exactly one of structuredOutputId, structuredOutput"
            yield Issue("INVALID_VALUE", text, pointer)
        elif isinstance(evaluation.get("value"), str | bool) and evaluation.get("comparator") not in {"=", "!="}:
            text = f"{at}.comparator must be one of the following values: =, != (the value is no number)"
            yield Issue("INVALID_CHOICE", text, f"{pointer}/comparator")


def _suite_more(state: Configuration, now: datetime) -> dict[str, Any]:
    return {"targetAssignments": state.config.get("targetAssignments") or []}


def _suite_rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    ids = config.get("simulationIds") or ()
    if len(set(ids)) != len(ids):
        yield Issue("INVALID_VALUE", "All simulationIds's elements must be unique", "/body/simulationIds")


PERSONALITIES: Final = Resource(
    aggregate=CONFIGURATIONS["personality"],
    path="/eval/simulation/personality",
    noun="personality",
    plural="personalities",
    tag="Simulations",
    body=PersonalityBody,
    filters=PagedFilters,
    references=under("assistant", ASSISTANT_REFERENCES),
    used_by=(Use("simulation", "personalityId", "personality_in_use"),),
)
SCENARIOS: Final = Resource(
    aggregate=CONFIGURATIONS["scenario"],
    path="/eval/simulation/scenario",
    noun="scenario",
    tag="Simulations",
    body=ScenarioBody,
    filters=ScenarioFilters,
    matches=_has_name,
    rules=_scenario_rules,
    references=(
        Reference("evaluations.*.structuredOutputId", "structured_output"),
        *under("targetOverrides", ASSISTANT_REFERENCES),
    ),
    used_by=(Use("simulation", "scenarioId", "scenario_in_use"),),
)
SIMULATIONS: Final = Resource(
    aggregate=CONFIGURATIONS["simulation"],
    path="/eval/simulation",
    noun="simulation",
    tag="Simulations",
    body=SimulationBody,
    filters=SimulationFilters,
    references=(Reference("scenarioId", "scenario"), Reference("personalityId", "personality")),
)
SUITES: Final = Resource(
    aggregate=CONFIGURATIONS["simulation_suite"],
    path="/eval/simulation/suite",
    noun="simulation suite",
    tag="Simulations",
    body=SimulationSuiteBody,
    filters=NamedFilters,
    matches=_has_name,
    rules=_suite_rules,
    references=(Reference("simulationIds.*", "simulation"),),
    more=_suite_more,
)
