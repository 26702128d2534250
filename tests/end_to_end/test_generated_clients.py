"""Clients in other hands against ``callfold up``: two made from our own document, and Vapi's packages for Node.js."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.node_packages import FOLDER, node_modules, run
from tests.end_to_end.system_process import SystemProcess, running

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

PYTHON_CLIENT = """
import os
from made import Client, AuthenticatedClient
from made.api.assistants import create_assistant, delete_assistant, get_assistant, list_assistants, update_assistant
from made.api.calls import create_call, list_calls
from made.models import AssistantBody, AssistantChanges, CallBody, Error, WebSocketTransport

client = AuthenticatedClient(base_url=os.environ["BASE_URL"], token=os.environ["KEY"])
body = AssistantBody.from_dict({"name": "Reception", "firstMessage": "Hello!"})
made = create_assistant.sync(client=client, body=body)
assert (made.name, made.first_message) == ("Reception", "Hello!"), made
assert get_assistant.sync(made.id, client=client).to_dict() == made.to_dict()
assert made.id in [one.id for one in list_assistants.sync(client=client, limit=10)]
changed = update_assistant.sync(made.id, client=client, body=AssistantChanges.from_dict({"firstMessage": "Good day!"}))
assert changed.first_message == "Good day!"
body = CallBody.from_dict({"assistantId": str(made.id), "transport": {"provider": "vapi.websocket"}})
call = create_call.sync(client=client, body=body)
assert call.status == "queued", call
assert [one.id for one in list_calls.sync(client=client, assistant_id=str(made.id))] == [call.id]
refused = create_assistant.sync(client=client, body=AssistantBody(name="x" * 41))
assert isinstance(refused, Error), refused
assert refused.message == ["name must be shorter than or equal to 40 characters"]
assert delete_assistant.sync(made.id, client=client).id == made.id
assert get_assistant.sync(made.id, client=client).status == 404
stranger = AuthenticatedClient(base_url=os.environ["BASE_URL"], token="nobody")
assert list_assistants.sync(client=stranger).status == 401
print("done")
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemProcess]:
    with running(tmp_path_factory.mktemp("clients") / "data") as started:
        yield started


@pytest.fixture
def place(system: SystemProcess) -> dict[str, str]:
    """Where the system is, as the clients are told."""
    assert system.organization is not None
    return {"BASE_URL": system.url, "KEY": system.organization["privateKey"]}


@pytest.fixture
def document(system: SystemProcess, tmp_path: Path) -> Path:
    """Our document, fetched as a user would."""
    path = tmp_path / "openapi.json"
    with system.api("nobody") as api:
        document: dict[str, Any] = api.get("/openapi.json").json()
    path.write_text(json.dumps(document))
    return path


def test_a_client_in_typescript(document: Path, place: dict[str, str], tmp_path: Path) -> None:
    packages = node_modules()
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    for name in ("generated_client.ts", "tsconfig.json"):
        shutil.copy(FOLDER / name, tmp_path / name)
    tools = packages / "node_modules" / ".bin"
    generate = ["-i", str(document), "-o", "generated", "-c", "@hey-api/client-fetch"]
    run([str(tools / "openapi-ts"), *generate], tmp_path)
    run([str(tools / "tsc"), "-p", "tsconfig.json"], tmp_path)
    assert "done" in run(["node", "built/generated_client.js"], tmp_path, **place)


def test_a_client_in_python(document: Path, place: dict[str, str], tmp_path: Path) -> None:
    generator = Path(sys.executable).parent / "openapi-python-client"
    made = [str(generator), "generate", "--path", str(document), "--output-path", str(tmp_path / "made")]
    path = f"{generator.parent}:/usr/bin:/bin"
    told = run([*made, "--meta", "none"], tmp_path, PATH=path)
    assert "Warning" not in told, told
    assert "done" in run([sys.executable, "-c", PYTHON_CLIENT], tmp_path, **place)


@pytest.mark.parametrize("program", ["server_sdk.cjs", "mcp_server.cjs"])
def test_vapis_own_packages(place: dict[str, str], tmp_path: Path, program: str) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules() / "node_modules")
    shutil.copy(FOLDER / program, tmp_path / program)
    assert "done" in run(["node", program], tmp_path, **place)
