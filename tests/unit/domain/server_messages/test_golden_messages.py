"""What a server and a client are told in a call, message by message: as it was, and as Vapi's own schemas have it.

A file here is a promise to whoever reads our messages. Where a change is meant, say so in the commit and write them
anew: ``python -m tests.unit.domain.server_messages.test_golden_messages``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from domain.server_messages.catalogue import MESSAGE_TYPES
from tests.unit.api.test_reference_document import COPY, as_json_schema
from tests.unit.domain.server_messages.golden_call import (
    asked_of_server,
    first_of_each,
    held,
    told_beside,
    told_of_conversations,
    told_to_client,
    told_to_listing_client,
    told_to_server,
)

FOLDER = Path(__file__).parent / "golden"
OURS = {kind.name: jsonschema_rs.validator_for(kind.schema()) for kind in MESSAGE_TYPES}
THEIRS = {
    "status-update": "StatusUpdate",
    "conversation-update": "ConversationUpdate",
    "transcript": "Transcript",
    "speech-update": "SpeechUpdate",
    "model-output": "ModelOutput",
    "voice-input": "VoiceInput",
    "user-interrupted": "UserInterrupted",
    "hang": "Hang",
    "transfer-update": "TransferUpdate",
    "assistant.speechStarted": "AssistantSpeech",
    "assistant.started": "AssistantStarted",
    "tool-calls": "ToolCalls",
    "tool-calls-result": "ToolCallsResult",
    "end-of-call-report": "EndOfCallReport",
    "language-change-detected": "LanguageChangeDetected",
    "call.artifact.upload": "CallArtifactUpload",
    "call.deleted": "CallDeleted",
    "call.delete.failed": "CallDeleteFailed",
    "metadata": "Metadata",
    "chat.created": "ChatCreated",
    "chat.deleted": "ChatDeleted",
    "session.created": "SessionCreated",
    "session.updated": "SessionUpdated",
    "session.deleted": "SessionDeleted",
}

OURS_ALONE = {"tool.completed"}
"""Those that Vapi lists and describes nowhere."""


@cache
def told() -> dict[str, dict[str, Any]]:
    """By name of the file."""
    call = held()
    return {
        f"{side}.{name}": message
        for side, messages in (
            ("server", [*told_to_server(call), *asked_of_server(call), *told_of_conversations(), *told_beside()]),
            ("client", [*told_to_client(call), *told_to_listing_client()]),
        )
        for name, message in first_of_each(messages).items()
    }


NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_message_is_as_it_was(name: str) -> None:
    assert told()[name] == json.loads((FOLDER / f"{name}.json").read_text())


def test_every_message_of_the_call_is_kept() -> None:
    assert sorted(told()) == NAMES
    assert {message["type"] for message in told().values()} == {*THEIRS, *OURS_ALONE}


@pytest.mark.parametrize("name", NAMES)
def test_a_message_fits_its_type_and_hides_secrets(name: str) -> None:
    message = json.loads((FOLDER / f"{name}.json").read_text())
    OURS[message["type"]].validate(message)
    assert "s3cret" not in str(message)
    if name.startswith("client"):
        assert "You are the reception" not in str(message.get("newAssistant")) + str(message.get("toAssistant"))


@pytest.mark.skipif(COPY is None, reason="no copy of https://api.vapi.ai/api-json here")
@pytest.mark.parametrize("name", [name for name in NAMES if name.partition(".")[2] not in OURS_ALONE])
def test_a_message_is_one_of_vapis(name: str) -> None:
    message = json.loads((FOLDER / f"{name}.json").read_text())
    schemas, kind = _theirs(), THEIRS[message["type"]]
    sides = ("ServerMessage", "ClientMessage") if name.startswith("server") else ("ClientMessage", "ServerMessage")
    # Some that can be listed for both sides have a schema for one of them only.
    known = next(side + kind for side in sides if side + kind in schemas["components"]["schemas"])
    validator = jsonschema_rs.validator_for({**schemas, "$ref": f"#/components/schemas/{known}"})
    assert [wrong for wrong in map(_wrong, validator.iter_errors(message)) if wrong] == []


def _wrong(error: jsonschema_rs.ValidationError) -> str:
    """The error as a text; empty where we differ from the document on purpose."""
    path = [str(part) for part in error.instance_path]
    match path:
        case [*_, "serverMessages"] if "is not one of" in error.message:
            return ""  # the document lists the items' names at the array itself
        case [*_, "assistantVersion"] if error.message.startswith("null"):
            return ""  # nullable, says the text beside it
        case ["toolCallList", "0", "function", "arguments"] | ["toolWithToolCallList", "0"]:
            return ""  # receivers in the field read objects, and every form beside each other
        case [] if "toolWithToolCallList" in error.message:
            return ""  # clients add both lists up: they are sent one
    return f"{path}: {error.message[:200]}"


@cache
def _theirs() -> dict[str, Any]:
    assert COPY is not None
    document: dict[str, Any] = as_json_schema(json.loads(COPY.read_bytes()))
    return {"components": document["components"]}


if __name__ == "__main__":
    written = told()
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, message in written.items():
        (FOLDER / f"{name}.json").write_text(json.dumps(message, indent=1, sort_keys=True) + "\n")
