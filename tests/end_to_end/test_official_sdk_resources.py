"""Every operation on configuration resources through the official Python SDK: made, read, listed, changed, deleted.

The SDK takes seconds of computing to build the types of the larger resources; those are left to the long run, and
``test_resources`` in the unit tests sends the same requests without it.
"""

from __future__ import annotations

from typing import Any

import pytest
from vapi import Vapi
from vapi.core.api_error import ApiError

from tests.unit.api.installation import Installation

UNKNOWN = "4d0b4d3c-0000-4000-8000-000000000000"
NO_RETRY = {"max_retries": 0}


def assert_gone(get: Any, *path: str) -> None:
    with pytest.raises(ApiError) as gone:
        get(*path)
    assert (gone.value.status_code, gone.value.body["error"]) == (404, "Not Found")


def refused(status: int, do: Any, *path: str, **fields: Any) -> Any:
    """The message of the refusal."""
    with pytest.raises(ApiError) as refusal:
        do(*path, **fields, request_options=NO_RETRY)
    assert refusal.value.status_code == status, refusal.value.body
    return refusal.value.body["message"]


def same(one: Any, other: Any) -> bool:
    """The SDK has a class of its own for the answer of each operation."""
    return bool(one.model_dump() == other.model_dump())


def made_assistant(vapi: Vapi, name: str = "Reception") -> str:
    return str(vapi.assistants.create(name=name).id)


TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "book"}, "async": False, "server": {"url": "https://t.example"}},
    {"type": "apiRequest", "method": "GET", "url": "https://t.example/{{id}}", "name": "look_up"},
    {"type": "code", "code": "return 1", "function": {"name": "one"}, "timeoutSeconds": 5},
    {"type": "transferCall", "destinations": [{"type": "number", "number": "+14155552671"}]},
    {"type": "handoff", "destinations": [{"type": "assistant", "assistantName": "Billing"}]},
    {"type": "endCall", "messages": [{"type": "request-start", "content": "Goodbye"}]},
    {"type": "dtmf", "sipInfoDtmfEnabled": True},
    {"type": "voicemail", "beepDetectionEnabled": True},
    {"type": "sms"},
    {"type": "query", "knowledgeBases": [{"name": "k", "provider": "google", "description": "d", "fileIds": ["f"]}]},
    {"type": "mcp", "server": {"url": "https://mcp.example"}, "metadata": {"protocol": "shttp"}},
    {"type": "sipRequest", "verb": "INFO"},
    {"type": "bash", "subType": "bash_20241022", "name": "bash"},
    {
        **{"type": "computer", "subType": "computer_20241022", "name": "computer"},
        **{"displayWidthPx": 800, "displayHeightPx": 600},
    },
    {"type": "textEditor", "subType": "text_editor_20241022", "name": "str_replace_editor"},
    {"type": "google.calendar.event.create"},
    {"type": "google.calendar.availability.check"},
    {"type": "google.sheets.row.append"},
    {"type": "slack.message.send"},
    {"type": "gohighlevel.calendar.availability.check"},
    {"type": "gohighlevel.calendar.event.create"},
    {"type": "gohighlevel.contact.create"},
    {"type": "gohighlevel.contact.get"},
]


@pytest.mark.parametrize("body", TOOLS, ids=lambda body: body["type"])
@pytest.mark.long
def test_the_life_of_a_tool_of_every_type(vapi: Vapi, body: dict[str, Any]) -> None:
    created = vapi.tools.create(request=body)
    assert created is not None
    assert created.type == body["type"]
    assert same(vapi.tools.get(created.id), created)
    assert any(same(listed, created) for listed in vapi.tools.list(limit=2))
    message = {"type": "request-failed", "content": "That did not work."}
    updated = vapi.tools.update(created.id, request={"type": body["type"], "messages": [message]})
    assert updated.messages[0].content == "That did not work."
    assert updated.latest_version == "v2"
    assert vapi.tools.delete(created.id).id == created.id
    assert_gone(vapi.tools.get, created.id)


@pytest.mark.long
def test_the_life_of_a_squad(vapi: Vapi) -> None:
    first, second = made_assistant(vapi), made_assistant(vapi, "Billing")
    members = [
        {"assistantId": first, "assistantDestinations": [{"type": "assistant", "assistantName": "Billing"}]},
        {"assistantId": second, "assistantOverrides": {"firstMessage": "Billing here.", "model": {"temperature": 0}}},
    ]
    squad = vapi.squads.create(name="Front desk", members=members, members_overrides={"maxDurationSeconds": 300})
    assert [member.assistant_id for member in squad.members] == [first, second]
    assert squad.members_overrides.max_duration_seconds == 300
    assert vapi.squads.get(squad.id) == squad
    other = vapi.squads.create(members=members[:1])
    assert [found.id for found in vapi.squads.list(id_any=[squad.id, UNKNOWN])] == [squad.id]
    assert {found.id for found in vapi.squads.list(id_any=[squad.id, other.id])} == {squad.id, other.id}
    assert len(vapi.squads.update(squad.id, members=members[:1]).members) == 1
    assert refused(400, vapi.squads.create, members=[{"assistantId": UNKNOWN}]) == [
        f"Couldn't Get Assistant. `members.0.assistantId` {UNKNOWN} Does Not Exist."
    ]
    assert vapi.squads.delete(squad.id).name == "Front desk"
    assert_gone(vapi.squads.get, squad.id)


@pytest.mark.long
def test_a_version_that_a_squad_holds_on_to_keeps_its_assistant(vapi: Vapi) -> None:
    pinned = made_assistant(vapi)
    squad = vapi.squads.create(members=[{"assistantId": pinned, "assistantVersion": "v1"}])
    with pytest.raises(ApiError) as conflict:
        vapi.assistants.delete(pinned, request_options=NO_RETRY)
    body = conflict.value.body
    assert (conflict.value.status_code, body["error"], "statusCode" in body) == (409, "assistant_pinned", False)
    assert body["pinnedBy"] == [{"sourceType": "squad", "sourceId": squad.id}]
    vapi.squads.delete(squad.id)
    assert vapi.assistants.delete(pinned).id == pinned


@pytest.fixture
def credential(installation: Installation, vapi: Vapi) -> str:
    """Credentials have no method in the SDK; its own client still carries the request."""
    answer = vapi.tools.with_raw_response._client_wrapper.httpx_client.request(
        "credential", method="POST", json={"provider": "byo-sip-trunk", "gateways": [{"ip": "203.0.113.7"}]}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "byo-phone-number", "number": "+14155552671"},
        {"provider": "twilio", "number": "+14155552671", "twilioAccountSid": "AC1", "twilioAuthToken": "s3cret"},
        {"provider": "vonage", "number": "14155552671"},
        {"provider": "telnyx", "number": "+14155552671"},
        {"provider": "vapi", "sipUri": "sip:front-desk@sip.example"},
    ],
    ids=lambda body: body["provider"],
)
@pytest.mark.long
def test_the_life_of_a_phone_number_of_every_provider(vapi: Vapi, credential: str, body: dict[str, Any]) -> None:
    if body["provider"] in {"byo-phone-number", "vonage", "telnyx"}:
        body = {**body, "credentialId": credential}
    assistant = made_assistant(vapi)
    created = vapi.phone_numbers.create(request={**body, "name": "Front desk", "assistantId": assistant})
    assert (created.provider, created.status, created.assistant_id) == (body["provider"], "active", assistant)
    assert "s3cret" not in created.model_dump_json()
    assert same(vapi.phone_numbers.get(created.id), created)
    assert any(same(listed, created) for listed in vapi.phone_numbers.list(limit=2))
    page = vapi.phone_numbers.phone_number_controller_find_all_paginated(search="FRONT", limit=1, page=1)
    assert (len(page.results), page.metadata.items_per_page) == (1, 1)
    assert same(page.results[0], created)
    updated = vapi.phone_numbers.update(created.id, request={"provider": body["provider"], "assistantId": None})
    assert updated.assistant_id is None
    other = next(provider for provider in ("vapi", "telnyx") if provider != body["provider"])
    assert refused(400, vapi.phone_numbers.update, created.id, request={"provider": other}) == [
        f"provider cannot be changed from {body['provider']}"
    ]
    assert vapi.phone_numbers.delete(created.id).id == created.id
    assert_gone(vapi.phone_numbers.get, created.id)


@pytest.mark.long
def test_the_life_of_a_session(vapi: Vapi, installation: Installation) -> None:
    assistant = made_assistant(vapi)
    customer = {"number": "+14155552671", "name": "Mary"}
    session = vapi.sessions.create(name="visit", assistant_id=assistant, customer=customer, expiration_seconds=3600)
    assert (session.status, session.expiration_seconds, session.messages) == ("active", 3600, [])
    assert vapi.sessions.get(session.id) == session
    for filters in (
        {"assistant_id": assistant},
        {"name": "Mary"},
        {"id": session.id},
        {"id_any": f"{session.id},{UNKNOWN}"},
        {"customer_number_any": "+14155552671"},
        {"number": "+14155552671", "assistant_id_any": assistant},
    ):
        assert [found.id for found in vapi.sessions.list(**filters).results] == [session.id], filters
    assert vapi.sessions.list(assistant_id=UNKNOWN).metadata.total_items == 0
    updated = vapi.sessions.update(session.id, messages=[{"role": "user", "content": "Hello"}])
    assert updated.messages[0].content == "Hello"
    installation.clock.forward(hours=2)
    assert vapi.sessions.get(session.id).status == "completed"
    assert refused(400, vapi.sessions.create, assistant_id=assistant, squad_id=UNKNOWN)[0].startswith("squadId should")
    assert vapi.sessions.delete(session.id).id == session.id
    assert_gone(vapi.sessions.get, session.id)


def test_the_life_of_a_structured_output(vapi: Vapi) -> None:
    outputs = vapi.structured_outputs
    created = outputs.structured_output_controller_create(
        name="booked",
        schema={"type": "object", "properties": {"day": {"type": "string"}}},
        conditions=[{"type": "minMessages", "count": 2}],
        assistant_ids=[made_assistant(vapi)],
    )
    assert created.schema_.type == "object"
    assert outputs.structured_output_controller_find_one(created.id) == created
    page = outputs.structured_output_controller_find_all(name="booked", sort_order="ASC")
    assert created in page.results
    change = outputs.structured_output_controller_update
    assert change(created.id, schema_override="", conditions=None).conditions is None
    message = refused(400, change, created.id, schema_override="false", schema={"type": "string"})
    assert message == ["schema.type cannot change from object without the query parameter schemaOverride=true"]
    assert change(created.id, schema_override="true", schema={"type": "string"}).schema_.type == "string"
    text = refused(501, outputs.structured_output_controller_run, call_ids=[UNKNOWN], structured_output_id=created.id)
    assert "run a structured output" in text
    assert outputs.structured_output_controller_remove(created.id).id == created.id
    assert_gone(outputs.structured_output_controller_find_one, created.id)


@pytest.mark.long
def test_the_life_of_an_eval(vapi: Vapi) -> None:
    script: Any = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "judgePlan": {"type": "exact", "content": "Hello"}},
    ]
    created = vapi.eval.eval_controller_create(type="chat.mockConversation", name="greets", messages=script)
    # The SDK takes the first shape that fits a message, so the plan is an extra field there.
    assert created.messages[1].model_dump()["judgePlan"]["type"] == "exact"
    assert vapi.eval.eval_controller_get(created.id) == created
    assert vapi.eval.eval_controller_get_paginated(id=created.id).results == [created]
    assert vapi.eval.eval_controller_update(created.id, description="Greets.").description == "Greets."
    target: Any = {"type": "assistant", "assistantId": made_assistant(vapi)}
    assert "run an eval" in refused(501, vapi.eval.eval_controller_run, type="eval", eval_id=created.id, target=target)
    assert "list eval runs" in refused(501, vapi.eval.eval_controller_get_runs_paginated)
    assert vapi.eval.eval_controller_remove(created.id).id == created.id
    assert_gone(vapi.eval.eval_controller_get, created.id)


@pytest.mark.long
def test_the_lives_of_the_simulation_family(vapi: Vapi) -> None:
    personality = vapi.simulation_personalities.personality_controller_create(
        name="Impatient", assistant={"firstMessage": "Quick!"}, path="callers/difficult"
    )
    scenario = vapi.simulation_scenarios.scenario_controller_create(
        name="Books",
        instructions="Book a cleaning.",
        evaluations=[
            {"structuredOutput": {"name": "booked", "schema": {"type": "boolean"}}, "comparator": "=", "value": True}
        ],
    )
    simulation = vapi.simulations.simulation_controller_create(
        scenario_id=scenario.id, personality_id=personality.id, name="In a hurry"
    )
    suite = vapi.simulation_suites.simulation_suite_controller_create(name="Nightly", simulation_ids=[simulation.id])
    assert suite.target_assignments == []
    assert vapi.simulation_personalities.personality_controller_find_one(personality.id) == personality
    assert vapi.simulation_scenarios.scenario_controller_find_one(scenario.id) == scenario
    assert vapi.simulations.simulation_controller_find_one(simulation.id) == simulation
    assert vapi.simulation_suites.simulation_suite_controller_find_one(suite.id) == suite
    assert personality in vapi.simulation_personalities.personality_controller_find_all(page=1)
    assert vapi.simulation_scenarios.scenario_controller_find_all(name="books") == [scenario]
    assert vapi.simulations.simulation_controller_find_all(id_any=[simulation.id], standalone_only=False) == [
        simulation
    ]
    assert vapi.simulation_suites.simulation_suite_controller_find_all(name="night") == [suite]

    changed = vapi.simulation_personalities.personality_controller_update(personality.id, path=None)
    assert (changed.path, changed.name) == (None, "Impatient")
    assert vapi.simulation_scenarios.scenario_controller_update(scenario.id, instructions="Hurry.").evaluations
    assert vapi.simulations.simulation_controller_update(simulation.id, name="Calm").name == "Calm"
    targets: Any = [{"targetType": "assistant", "targetId": made_assistant(vapi)}]
    suites = vapi.simulation_suites
    assert suites.simulation_suite_controller_update(suite.id, target_assignments=targets).target_assignments

    for remove, part, code in (
        (vapi.simulation_personalities.personality_controller_remove, personality, "personality_in_use"),
        (vapi.simulation_scenarios.scenario_controller_remove, scenario, "scenario_in_use"),
    ):
        with pytest.raises(ApiError) as used:
            remove(part.id, request_options=NO_RETRY)
        assert (used.value.status_code, used.value.body["error"]) == (409, code)
        assert simulation.id in used.value.body["message"]
    assert suites.simulation_suite_controller_remove(suite.id).id == suite.id
    assert vapi.simulations.simulation_controller_remove(simulation.id).id == simulation.id
    assert vapi.simulation_scenarios.scenario_controller_remove(scenario.id).id == scenario.id
    assert vapi.simulation_personalities.personality_controller_remove(personality.id).id == personality.id
    assert_gone(suites.simulation_suite_controller_find_one, suite.id)
    assert "list simulation runs" in refused(501, vapi.simulation_runs.simulation_run_controller_find_all)


@pytest.mark.long
def test_the_life_of_a_campaign(vapi: Vapi) -> None:
    assistant = made_assistant(vapi)
    number = vapi.phone_numbers.create(request={"provider": "vapi", "sipUri": "sip:a@sip.example"})
    customers: Any = [{"number": "+14155552671", "name": "Mary"}]
    campaigns = vapi.campaigns
    created = campaigns.campaign_controller_create(
        name="Recall", assistant_id=assistant, phone_number_id=number.id, customers=customers
    )
    assert (created.status, created.calls, created.calls_counter_scheduled) == ("scheduled", {}, 0)
    assert campaigns.campaign_controller_find_one(created.id) == created
    assert campaigns.campaign_controller_find_all(status="scheduled").results == [created]
    copy = campaigns.campaign_controller_create(name="Again", duplicate_from_campaign_id=created.id)
    assert (copy.name, copy.assistant_id, copy.customers[0].name) == ("Again", assistant, "Mary")
    assert campaigns.campaign_controller_update(created.id, name="Recall 2").name == "Recall 2"
    cancelled = campaigns.campaign_controller_update(created.id, status="cancelled")
    assert (cancelled.status, cancelled.ended_reason) == ("cancelled", "campaign.scheduled.ended-by-user")
    assert refused(400, campaigns.campaign_controller_update, created.id, name="x") == [
        "the campaign is cancelled and cannot be changed any more"
    ]
    assert campaigns.campaign_controller_remove(created.id).id == created.id
    assert_gone(campaigns.campaign_controller_find_one, created.id)


@pytest.mark.long
def test_the_life_of_a_campaign_by_its_second_path(vapi: Vapi) -> None:
    number = vapi.phone_numbers.create(request={"provider": "vapi", "sipUri": "sip:b@sip.example"})
    customers: Any = [{"number": "+14155552671", "name": "Mary"}, {"number": "+14155552672"}]
    campaigns = vapi.campaigns
    created = campaigns.campaign_controller_create_v_2(
        name="Recall", assistant_id=made_assistant(vapi), phone_number_id=number.id, customers=customers
    )
    assert (created.status, created.calls) == ("scheduled", {})
    read = campaigns.campaign_controller_find_one_v_2(created.id, include_counters=True)
    assert (read.contact_counters.pending, read.call_metrics.dialed) == (2, 0)
    listed = campaigns.campaign_controller_find_all_v_2(id=created.id, include_counters=True)
    assert [found.id for found in listed.results] == [created.id]
    contacts = campaigns.campaign_controller_get_campaign_v_2_contacts(
        created.id, status=["contact.pending", "contact.failed"], limit=1, page=2, sort_by="position"
    )
    assert (contacts.metadata.total_items, contacts.results[0].number) == (2, "+14155552672")
    assert campaigns.campaign_controller_update_v_2(created.id, status="cancelled").status == "cancelled"
    assert campaigns.campaign_controller_remove_v_2(created.id).id == created.id
    assert_gone(campaigns.campaign_controller_find_one_v_2, created.id)


def test_the_life_of_a_scorecard(vapi: Vapi) -> None:
    output = vapi.structured_outputs.structured_output_controller_create(name="score", schema={"type": "number"})
    conditions = [{"type": "comparator", "comparator": ">=", "value": 5, "points": 100}]
    metrics: Any = [{"structuredOutputId": output.id, "conditions": conditions}]
    scorecards = vapi.observability_scorecard
    created = scorecards.scorecard_controller_create(name="quality", metrics=metrics)
    assert created.metrics[0].structured_output_id == output.id
    assert same(scorecards.scorecard_controller_get(created.id), created)
    assert [found.id for found in scorecards.scorecard_controller_get_paginated(id=created.id).results] == [created.id]
    assert scorecards.scorecard_controller_update(created.id, description="d").description == "d"
    assert scorecards.scorecard_controller_remove(created.id).id == created.id
    assert_gone(scorecards.scorecard_controller_get, created.id)


@pytest.mark.parametrize(
    ("provider", "body", "change", "entries"),
    [
        (
            "11labs",
            {"name": "names", "rules": [{"string_to_replace": "Siobhan", "type": "alias", "alias": "Shivawn"}]},
            {"rules": []},
            {"rules": []},
        ),
        (
            "cartesia",
            {"name": "names", "items": [{"text": "Siobhan", "alias": "Shivawn"}, {"text": "Nguyen", "alias": "Win"}]},
            {"itemsToAdd": [{"text": "Xi", "alias": "She"}], "itemsToRemove": ["Siobhan"]},
            {"items": [{"text": "Nguyen", "alias": "Win"}, {"text": "Xi", "alias": "She"}]},
        ),
    ],
)
def test_the_life_of_a_provider_resource(
    vapi: Vapi, provider: Any, body: dict[str, Any], change: dict[str, Any], entries: dict[str, Any]
) -> None:
    resources, name = vapi.provider_resources, "pronunciation-dictionary"
    create = resources.provider_resource_controller_create_provider_resource
    created = create(provider, name, request_options={"additional_body_parameters": body})
    assert (created.provider, created.resource_id) == (provider, created.id)
    assert created.resource == {"id": created.id, **body}
    assert resources.provider_resource_controller_get_provider_resource(provider, name, created.id) == created
    page = resources.provider_resource_controller_get_provider_resources_paginated(
        provider, name, resource_id=created.id
    )
    assert page.results == [created]
    updated = resources.provider_resource_controller_update_provider_resource(
        provider, name, created.id, request_options={"additional_body_parameters": change}
    )
    assert updated.resource == {"id": created.id, "name": "names", **entries}
    other = "cartesia" if provider == "11labs" else "11labs"
    assert_gone(resources.provider_resource_controller_get_provider_resource, other, name, created.id)
    assert resources.provider_resource_controller_delete_provider_resource(provider, name, created.id).id == created.id
    assert_gone(resources.provider_resource_controller_get_provider_resource, provider, name, created.id)


def test_the_life_of_a_file(vapi: Vapi) -> None:
    created = vapi.files.create(
        file=("prices.md", b"Cleaning: 90 dollars", "text/markdown"), purpose="assistant", metadata='{"year": 2026}'
    )
    assert (created.name, created.bytes, created.mimetype) == ("prices.md", 20, "text/markdown")
    assert (created.object, created.metadata) == ("file", {"year": 2026})
    assert vapi.files.get(created.id) == created
    assert vapi.files.list() == [created]
    assert vapi.files.list(purpose="composer-attachment") == []
    assert vapi.files.update(created.id, name="Prices").name == "Prices"
    assert vapi.files.delete(created.id).id == created.id
    assert_gone(vapi.files.get, created.id)
