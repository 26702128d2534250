"""Eight workflows that others wrote down for Vapi's API, run as they stand, told nothing but the base URL.

They lie beside the checkout; ``CALLFOLD_VAPI_ARAZZO`` names their folder anywhere else.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, EndCall
from domain.organization.founding import Founding
from tests.end_to_end.arazzo import StepRefused, Workflow, operations_of
from tests.unit.api.installation import Installation

_CHECKOUT = Path(__file__).resolve().parents[2]
_FOLDERS = [
    *(Path(named) for named in [os.environ.get("CALLFOLD_VAPI_ARAZZO")] if named),
    *_CHECKOUT.parent.glob("*/reference/arazzo"),
]
FOLDER = next((folder for folder in _FOLDERS if folder.is_dir()), None)
pytestmark = pytest.mark.skipif(FOLDER is None, reason="the workflows are not here; CALLFOLD_VAPI_ARAZZO names them")
INPUTS: dict[str, Any] = {
    **{"name": "Riley", "firstMessage": "Hello!", "systemPrompt": "Be brief.", "squadName": "Front desk"},
    **{"greeterPrompt": "Greet.", "specialistPrompt": "Help.", "customerNumber": "+14155552671"},
    **{"functionName": "look_up", "functionDescription": "Looks things up.", "fileContent": "We open at nine."},
    **{"twilioNumber": "+14155552671", "twilioAccountSid": "AC0123456789", "twilioAuthToken": "s3cret"},
    **{"rangeStart": "2026-01-01T00:00:00Z", "rangeEnd": "2026-02-01T00:00:00Z"},
}
NO_CARRIER = {"assistant-phone-outbound-call", "call-then-analytics", "squad-outbound-call"}
"""Those that dial a telephone, which is not built yet."""


def described() -> dict[str, Path]:
    if FOLDER is None:
        return {}
    return {
        path.name.removeprefix("vapi-ai-").removesuffix("-workflow.yml"): path for path in sorted(FOLDER.glob("*.yml"))
    }


@pytest.fixture(scope="module")
def operations() -> dict[str, tuple[str, str]]:
    assert FOLDER is not None
    return operations_of(json.loads((FOLDER.parent / "vapi-openapi.json").read_bytes()))


@pytest.fixture
def client(installation: Installation) -> Iterator[httpx.Client]:
    base_url = installation.dependencies.settings.base_url()
    with httpx.Client(base_url=base_url, trust_env=False, timeout=60) as made:
        yield made


@pytest.fixture
def inputs(client: httpx.Client, founding: Founding) -> dict[str, Any]:
    key = {"authorization": f"Bearer {founding.private_key}"}
    number = {"provider": "vapi", "numberDesiredAreaCode": "415"}
    made = {
        "assistantId": client.post("/assistant", json={"name": "Riley"}, headers=key).json()["id"],
        "phoneNumberId": client.post("/phone-number", json=number, headers=key).json()["id"],
    }
    return {**INPUTS, **made, "apiToken": founding.private_key}


def test_there_are_eight() -> None:
    assert len(described()) == 8
    assert set(described()) > NO_CARRIER


@pytest.mark.parametrize("name", sorted(set(described()) - NO_CARRIER))
def test_a_workflow_runs_to_its_end(
    name: str, client: httpx.Client, operations: dict[str, tuple[str, str]], inputs: dict[str, Any]
) -> None:
    workflow = Workflow(described()[name], operations)
    run = workflow.run(client, inputs)
    assert list(run.steps) == workflow.step_ids
    assert all(run.outputs.values()), run.outputs


@pytest.mark.parametrize("name", sorted(NO_CARRIER))
def test_one_that_dials_is_told_what_is_missing_and_goes_on_with_another_call(
    name: str,
    client: httpx.Client,
    operations: dict[str, tuple[str, str]],
    inputs: dict[str, Any],
    installation: Installation,
) -> None:
    workflow = Workflow(described()[name], operations)
    with pytest.raises(StepRefused) as refused:
        workflow.run(client, inputs)
    before = workflow.step_ids[: workflow.step_ids.index("createCall")]
    assert refused.value.step == "createCall", f"{before} are done"
    assert refused.value.answer.status_code == 501
    assert "WebSocket" in refused.value.answer.json()["detail"]

    installation.analytics.answer = [{"name": "n", "timeRange": {}, "result": [{"totalCost": 1.5}]}]
    call = ended_call(client, installation, inputs)
    known = {step: {"assistantId": "x", "greeterId": "x", "specialistId": "x"} for step in before}
    for made in known.values():
        made |= {"squadId": "x", "phoneNumberId": "x"}
    run = workflow.run(client, inputs, given={**known, "createCall": {"callId": call, "callStatus": "queued"}})
    assert run.steps["pollCall"]["callStatus"] == "ended"
    assert run.outputs["callId"] == call
    assert run.outputs.get("analytics", [{"totalCost": 1.5}]) == [{"totalCost": 1.5}]


def ended_call(client: httpx.Client, installation: Installation, inputs: dict[str, Any]) -> str:
    """A call over a WebSocket, held and over."""
    key = {"authorization": f"Bearer {inputs['apiToken']}"}
    body = {"assistantId": inputs["assistantId"], "transport": {"provider": "vapi.websocket"}}
    call = str(client.post("/call", json=body, headers=key).json()["id"])
    asyncio.run(installation.log.execute(CALL, call, ClaimCall(owner="test", lease_seconds=5)))
    asyncio.run(installation.log.execute(CALL, call, EndCall(reason="customer-ended-call")))
    return call
