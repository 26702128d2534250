"""Given the events of a call, what its server is told: the types in order, each as its schema says."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from domain.call.aggregate import CALL
from domain.call.events import (
    ArtifactStored,
    AssistantActivated,
    AssistantInterrupted,
    CallDeleted,
    CallDeletionFailed,
    CallEnded,
    LanguageChanged,
    RecordingConsentAnswered,
    Track,
    TranscriptFinalized,
    TransferRequested,
    Warned,
)
from domain.call.state import Call, Ended
from domain.call.wire import CallUrls, call_body
from domain.event import Event, Recorded
from domain.server_messages.calls import call_messages, report_fields
from domain.server_messages.catalogue import MESSAGE_TYPES
from domain.server_messages.selection import (
    DEFAULT_SERVER_MESSAGES,
    FINAL_TRANSCRIPT,
    patience_of,
    selected_type,
    server_messages,
)
from domain.server_messages.server import Server, most_specific, read_server
from tests.unit.domain.call_facts import CONFIG, LIVE, OVER, RINGING, said
from tests.unit.domain.specification import START

SCHEMAS = {kind.name: jsonschema_rs.validator_for(kind.schema()) for kind in MESSAGE_TYPES}


def told(*events: Event) -> list[dict[str, Any]]:
    """The messages of the last of the events."""
    call: Call | None = None
    for version, event in enumerate(events, 1):
        call = CALL.evolve(call, Recorded("call", version, f"e.{version}", START, event))
    assert call is not None
    return [dict(message) for message in call_messages(call, events[-1])]


def test_the_log_makes_no_report_where_it_has_no_words() -> None:
    assert [message["type"] for message in told(*LIVE, CallEnded(reason="r", reports=False))] == ["status-update"]


def stored(track: Track) -> ArtifactStored:
    return ArtifactStored(track=track, location=track, sha256="00" * 32, size_bytes=10, content_type="audio/wav")


@pytest.mark.parametrize(
    ("events", "types"),
    [
        (RINGING[:1], ["status-update"]),
        (RINGING, ["status-update"]),
        (LIVE, ["status-update", "assistant.started"]),
        ((*LIVE, said("user", "Hello", 500.0, 900.0, 1)), ["conversation-update"]),
        ((*LIVE, AssistantInterrupted(turn=1, by="voice", heard_ms=5.0, at_ms=900.0)), ["user-interrupted"]),
        ((*LIVE, TranscriptFinalized(role="user", text="Hello", turn=1, at_ms=900.0)), ["transcript"]),
        ((*LIVE, Warned(code="hang", detail="")), ["hang"]),
        ((*LIVE, Warned(code="other", detail="")), []),
        ((*LIVE, LanguageChanged(language="es", from_language="en", at_ms=900.0)), ["language-change-detected"]),
        ((*OVER, stored("mono")), ["call.artifact.upload"]),
        ((*OVER, stored("log")), ["end-of-call-report", "call.artifact.upload"]),
        ((*OVER, CallDeletionFailed(code="c", reason="r")), ["call.delete.failed"]),
        ((*OVER, CallDeleted(), CallDeletionFailed(code="c", reason="r")), []),
        (
            (*LIVE, TransferRequested(transfer_id="t", destination={"type": "number"}, mode="blind", at_ms=1.0)),
            ["status-update", "transfer-update"],
        ),
        (
            (*LIVE, AssistantActivated(by="handoff", assistant=CONFIG, context="all", at_ms=1.0)),
            ["transfer-update", "assistant.started"],
        ),
        (OVER, ["status-update", "end-of-call-report"]),
        ((*OVER, CallDeleted()), ["call.deleted"]),
    ],
)
def test_what_an_event_leads_to(events: tuple[Event, ...], types: list[str]) -> None:
    messages = told(*events)
    assert [message["type"] for message in messages] == types
    for message in messages:
        # The report's own fields are put together with the common ones.
        if message["type"] != "end-of-call-report":
            SCHEMAS[message["type"]].validate(message)


@pytest.mark.parametrize(
    ("granted", "shown"), [(True, {"grantedAt": "2026-11-21T09:00:00.000Z"}), (False, {})], ids=["granted", "refused"]
)
def test_the_report_tells_what_became_of_the_consent_to_recording(granted: bool, shown: dict[str, str]) -> None:
    answer = RecordingConsentAnswered(kind="verbal", granted=granted, at_ms=700.0)
    call: Call | None = None
    for version, event in enumerate((*LIVE, answer, OVER[-1]), 1):
        call = CALL.evolve(call, Recorded("call", version, f"e.{version}", START, event))
    assert isinstance(call, Ended)
    fields = report_fields(call, call_body(call, urls=CallUrls()), {})
    assert fields["compliance"] == {"recordingConsent": {"type": "verbal", **shown}}


def test_secrets_of_the_assistant_are_not_told() -> None:
    config = {**CONFIG, "server": {"url": "https://shop.example", "secret": "hidden"}}
    handed = AssistantActivated(by="handoff", assistant=config, context="all", at_ms=1.0)
    assert "hidden" not in str(told(*LIVE, handed))


def test_the_defaults_hold_where_nothing_is_listed() -> None:
    assert server_messages({}) == DEFAULT_SERVER_MESSAGES
    assert server_messages({"serverMessages": []}) == frozenset()


def test_who_wants_final_transcripts_only_gets_them_under_that_name() -> None:
    final = {"type": "transcript", "transcriptType": "final"}
    assert selected_type({FINAL_TRANSCRIPT}, final) == FINAL_TRANSCRIPT
    assert selected_type({FINAL_TRANSCRIPT}, {**final, "transcriptType": "partial"}) is None
    assert selected_type({"transcript"}, final) == "transcript"
    assert (patience_of("transcript"), patience_of("end-of-call-report")) == ("live", "durable")


def test_the_most_specific_server_is_told() -> None:
    assistant, number = {"server": {"url": "https://a"}}, {"serverUrl": "https://n", "serverUrlSecret": "s"}
    assert most_specific(assistant, number) == Server(url="https://a")
    assert most_specific({}, number) == Server(url="https://n", secret="s")
    assert most_specific({}, None) is None


def test_a_server_is_read_within_its_bounds() -> None:
    plan = {"type": "exponential", "maxRetries": 99, "baseDelaySeconds": -1, "excludedStatusCodes": [400, "x"]}
    given = {"server": {"url": "https://a", "timeoutSeconds": 9_000, "backoffPlan": plan, "headers": {"x": 1}}}
    server = read_server(given)
    assert server is not None
    assert server.backoff is not None
    assert (server.timeout_seconds, server.headers) == (300.0, {"x": "1"})
    assert (server.backoff.max_retries, server.backoff.base_delay_seconds) == (10, 0.0)
    assert server.backoff.excluded_status_codes == (400,)
