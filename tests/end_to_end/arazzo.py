"""A runner for Arazzo 1.0 descriptions: workflows of API operations, each with what it sends, expects and passes on.

https://spec.openapis.org/arazzo/v1.0.1.html, as far as descriptions of Vapi's API use it: runtime expressions for
inputs, steps and answers, simple conditions, ``end`` and ``goto`` by JSONPath on one member.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

_EXPRESSION = re.compile(r"\$(?:inputs|steps)\.[A-Za-z0-9_.-]*[A-Za-z0-9_-]")
_STATUS = re.compile(r"\$statusCode == (\d{3})")
_MEMBER = re.compile(r"\$\.(\w+) (==|!=) '([^']*)'")
_MOST_STEPS = 50


class StepRefused(Exception):
    """A step was not answered as its criteria want it."""

    def __init__(self, step: str, answer: httpx.Response) -> None:
        super().__init__(f"{step}: {answer.status_code} {answer.text}")
        self.step = step
        self.answer = answer


@dataclass
class Run:
    """``steps`` holds the outputs of each step that was run, in order; ``outputs`` those of the workflow."""

    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)


class Workflow:
    """One workflow of a description. ``operations`` are method and path by operation id."""

    def __init__(self, description: Path, operations: Mapping[str, tuple[str, str]]) -> None:
        document = yaml.safe_load(description.read_text())
        assert document["arazzo"].startswith("1.0")
        [self._workflow] = document["workflows"]
        self._operations = operations

    @property
    def step_ids(self) -> list[str]:
        return [step["stepId"] for step in self._workflow["steps"]]

    def run(
        self, client: httpx.Client, inputs: Mapping[str, Any], *, given: Mapping[str, dict[str, Any]] | None = None
    ) -> Run:
        """Run the steps; those whose outputs are ``given`` are taken as done. Raises ``StepRefused``."""
        declared = self._workflow["inputs"]
        known = {name: shape["default"] for name, shape in declared["properties"].items() if "default" in shape}
        known |= inputs
        assert set(declared["required"]) <= set(known), set(declared["required"]) - set(known)
        done = given or {}
        run = Run(steps=dict(done))
        by_id = {step["stepId"]: step for step in self._workflow["steps"]}
        following = iter(self._workflow["steps"])
        step = next(following)
        for _ in range(_MOST_STEPS):
            goes_to = "" if step["stepId"] in done else self._step(client, step, known, run)
            if goes_to == "end":
                break
            if goes_to:
                step = by_id[goes_to]
                following = iter(self._workflow["steps"][self.step_ids.index(goes_to) + 1 :])
                continue
            if (after := next(following, None)) is None:
                break
            step = after
        else:
            raise AssertionError(f"the workflow did not end within {_MOST_STEPS} steps")
        run.outputs = {name: _filled(value, known, run) for name, value in self._workflow["outputs"].items()}
        return run

    def _step(self, client: httpx.Client, step: dict[str, Any], inputs: Mapping[str, Any], run: Run) -> str:
        """The step that the answer leads to: empty for the next one, or ``end``."""
        answer = self._asked(client, step, inputs, run)
        for criterion in step["successCriteria"]:
            wanted = _STATUS.fullmatch(criterion["condition"])
            assert wanted is not None, criterion
            if answer.status_code != int(wanted[1]):
                raise StepRefused(step["stepId"], answer)
        body = answer.json()
        run.steps[step["stepId"]] = {name: _pointed(body, value) for name, value in step.get("outputs", {}).items()}
        for action in step.get("onSuccess", ()):
            if all(_holds(body, criterion) for criterion in action["criteria"]):
                return str(action.get("stepId", action["type"]))
        return ""

    def _asked(self, client: httpx.Client, step: dict[str, Any], inputs: Mapping[str, Any], run: Run) -> httpx.Response:
        method, path = self._operations[step["operationId"]]
        headers, places = {}, {}
        for parameter in step.get("parameters", ()):
            where = {"header": headers, "path": places}[parameter["in"]]
            where[parameter["name"]] = str(_filled(parameter["value"], inputs, run))
        sent: dict[str, Any] = {}
        if "requestBody" in step:
            payload = _filled(step["requestBody"]["payload"], inputs, run)
            if step["requestBody"]["contentType"] == "multipart/form-data":
                sent["files"] = {name: ("upload.txt", value.encode()) for name, value in payload.items()}
            else:
                headers["content-type"] = step["requestBody"]["contentType"]
                sent["content"] = json.dumps(payload)
        return client.request(method, path.format(**places), headers=headers, **sent)


def operations_of(document: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Method and path of each operation of an OpenAPI document by its id."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _filled(value: Any, inputs: Mapping[str, Any], run: Run) -> Any:
    """``value`` with every runtime expression in it replaced; one that stands alone keeps its type."""
    match value:
        case dict():
            return {name: _filled(item, inputs, run) for name, item in value.items()}
        case list():
            return [_filled(item, inputs, run) for item in value]
        case str() if _EXPRESSION.fullmatch(value):
            return _value_of(value, inputs, run)
        case str():
            return _EXPRESSION.sub(lambda found: str(_value_of(found[0], inputs, run)), value)
        case _:
            return value


def _value_of(expression: str, inputs: Mapping[str, Any], run: Run) -> Any:
    kind, *names = expression.removeprefix("$").split(".")
    if kind == "inputs":
        return inputs[names[0]]
    step, outputs, name = names
    assert outputs == "outputs", expression
    return run.steps[step][name]


def _pointed(body: Any, expression: str) -> Any:
    """What ``$response.body#/a/0/b`` points at."""
    found = body
    for part in expression.removeprefix("$response.body#/").split("/"):
        found = found[int(part)] if isinstance(found, list) else found.get(part)
    return found


def _holds(body: Any, criterion: Mapping[str, Any]) -> bool:
    assert (criterion["context"], criterion["type"]) == ("$response.body", "jsonpath")
    member = _MEMBER.fullmatch(criterion["condition"])
    assert member is not None, criterion
    return (body[member[1]] == member[3]) == (member[2] == "==")
