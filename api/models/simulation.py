"""Callers that are played by an assistant, what they try, and how it is judged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from api.models.assistant import AssistantBody, AssistantOverrides
from api.models.base import Closed, Identifier, JsonObject, violation
from api.models.structured_output import StructuredOutputBody

LongName = Annotated[str, Field(max_length=80)]
FolderPath = Annotated[
    str, Field(max_length=255, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*(?:/[a-zA-Z0-9][a-zA-Z0-9._-]*){0,2}$")
]
"""A folder of one to three segments."""


class PersonalityBody(Closed):
    """Body of ``POST /eval/simulation/personality``."""

    name: LongName
    assistant: AssistantBody
    path: FolderPath | None = None


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool | int | float):
        return value
    raise violation("INVALID_TYPE", "must be a string, a number or a boolean value")


class Evaluation(Closed):
    """What must have come of the conversation."""

    structured_output_id: Identifier | None = None
    structured_output: StructuredOutputBody | None = None
    path: str | None = None
    comparator: Literal["=", "!=", ">", "<", ">=", "<="]
    value: Annotated[Any, AfterValidator(_plain)]
    required: bool | None = None


class ToolMock(Closed):
    """What a tool answers instead of being called."""

    tool_name: str
    result: str | None = None
    enabled: bool | None = None


class LatencyExpectation(Closed):
    """How fast the assistant must have been."""

    metric: Literal["turn", "model", "voice"]
    aggregation: Literal["mean", "median", "p95", "max"]
    threshold_ms: Annotated[float, Field(ge=0)]
    required: bool | None = None


class SimulationHook(Closed):
    """Whom to tell when a run starts or ends."""

    on: Literal["simulation.run.started", "simulation.run.ended"]
    do: list[JsonObject]


class ScenarioBody(Closed):
    """Body of ``POST /eval/simulation/scenario``."""

    name: LongName
    instructions: Annotated[str, Field(max_length=10_000)]
    evaluations: list[Evaluation]
    hooks: list[SimulationHook] | None = None
    target_overrides: AssistantOverrides | None = None
    tool_mocks: list[ToolMock] | None = None
    latency_expectations: list[LatencyExpectation] | None = None
    path: FolderPath | None = None


class SimulationBody(Closed):
    """Body of ``POST /eval/simulation``."""

    scenario_id: Identifier
    personality_id: Identifier
    name: LongName | None = None
    path: FolderPath | None = None


class TargetAssignment(Closed):
    """What the simulations of a suite are held against."""

    target_type: Literal["assistant", "squad"]
    target_id: Identifier


class SimulationSuiteBody(Closed):
    """Body of ``POST /eval/simulation/suite``."""

    name: LongName
    simulation_ids: list[Identifier]
    target_assignments: list[TargetAssignment] | None = None
    slack_webhook_url: str | None = None
    path: FolderPath | None = None
