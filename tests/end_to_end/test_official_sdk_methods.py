"""The methods of the official Python SDK beside the lives of configurations, and that none of its 143 is left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vapi as vapi_package
from vapi import Vapi
from vapi.core.api_error import ApiError

ONCE: Any = {"max_retries": 0}
UNKNOWN = "4d0b4d3c-0000-4000-8000-000000000000"
RAW = "with_raw_response"
ORDINARY = {"list", "create", "get", "update", "delete"}


def methods() -> Iterator[tuple[str, str]]:
    """Resource and method, for every one, as its source has them: to load them all takes a minute."""
    package = Path(vapi_package.__file__).parent
    for source in sorted(package.glob("*/client.py")):
        for node in ast.parse(source.read_text()).body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("Async"):
                continue
            names = [method.name for method in node.body if isinstance(method, ast.FunctionDef)]
            yield from ((source.parent.name, name) for name in names if name != RAW and not name.startswith("_"))


def test_every_method_is_called_in_some_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_official_sdk*.py"))
    every = list(methods())
    assert len(every) == 143
    left_out = [
        f"{resource}.{method}"
        for resource, method in every
        if (f"{resource}.{method}(" if method in ORDINARY else method) not in tests
        and f"{resource}.{method}," not in tests
    ]
    assert left_out == []


def refused(status: int, call: Any, *arguments: Any, **fields: Any) -> Any:
    with pytest.raises(ApiError) as fault:
        call(*arguments, request_options=ONCE, **fields)
    assert fault.value.status_code == status, fault.value.body
    return fault.value.body


def test_allocations_of_traffic(vapi: Vapi) -> None:
    assistant = vapi.assistants.create(first_message="First.").id
    vapi.assistants.update(assistant, first_message="Second.")
    traffic = vapi.traffic_allocations
    assert traffic.traffic_allocation_controller_latest_get(assistant_id=assistant).allocation is None
    halves: Any = [{"assistantVersion": "v1", "percentage": 50.5}, {"assistantVersion": "v2", "percentage": 49.5}]
    made = traffic.traffic_allocation_controller_create(assistant_id=assistant, targets=halves, description="A try.")
    assert (made.allocation_intent, made.actor_type, made.targets[1].position) == ("explicit", "api-key", 1)
    assert traffic.traffic_allocation_controller_find_one(made.id) == made
    assert traffic.traffic_allocation_controller_latest_get(assistant_id=assistant).allocation == made
    stale = refused(
        409,
        traffic.traffic_allocation_controller_create,
        assistant_id=assistant,
        allocation_intent="follow-latest",
        expected_current_allocation_id=UNKNOWN,
    )
    assert (stale["error"], stale["currentAllocationId"]) == ("stale_allocation", made.id)
    stopped = traffic.traffic_allocation_controller_create(
        assistant_id=assistant, allocation_intent="follow-latest", expected_current_allocation_id=made.id
    )
    page = traffic.traffic_allocation_controller_find_all_paginated(assistant_id=assistant, sort_order="ASC")
    assert ([one.id for one in page.results], page.metadata.total_items) == ([made.id, stopped.id], 2)
    assert refused(404, traffic.traffic_allocation_controller_find_one, UNKNOWN)["error"] == "Not Found"


def test_downloads_of_a_call_that_left_nothing(vapi: Vapi) -> None:
    calls: Any = vapi.calls
    call = calls.create(assistant={"name": "a"}, transport={"provider": "vapi.websocket"})
    for download in (
        calls.call_artifact_controller_assistant_recording_download,
        calls.call_artifact_controller_customer_recording_download,
        calls.call_artifact_controller_stereo_recording_download,
        calls.call_artifact_controller_video_recording_download,
        calls.call_artifact_controller_pcap_download,
        calls.call_artifact_controller_call_logs_download,
    ):
        assert refused(404, download, call.id)["error"] == "Not Found"


def test_a_background_sound(vapi: Vapi) -> None:
    looked = vapi.assistants.assistant_controller_validate_background_sound_url(url="http://10.0.0.1/office.mp3")
    assert (looked.valid, looked.reason, looked.status) == (False, "blocked-address", None)


def test_the_life_of_a_knowledge_base(vapi: Vapi) -> None:
    bases = vapi.knowledge_bases_v_2
    file = vapi.files.create(file=("hours.txt", b"We open at nine."))
    base = bases.knowledge_base_v_2_controller_create(name="Practice")
    assert base.id in {one.id for one in bases.knowledge_base_v_2_controller_find_all(limit=10)}
    tied = bases.knowledge_base_v_2_controller_file_attach(base.id, file_id=file.id)
    assert (tied.file_id, tied.file_name, tied.status) == (file.id, "hours.txt", "indexing")
    assert [one.file_id for one in bases.knowledge_base_v_2_controller_files_get(base.id)] == [file.id]
    whole = bases.knowledge_base_v_2_controller_find_one(base.id)
    assert ([one.id for one in whole.files], bool(whole.tool_id)) == ([tied.id], True)
    assert bases.knowledge_base_v_2_controller_file_retry(base.id, file.id).status == "indexing"
    assert bases.knowledge_base_v_2_controller_update(base.id, description="Hours").description == "Hours"
    assert bases.knowledge_base_v_2_controller_file_detach(base.id, file.id).id == tied.id
    assert bases.knowledge_base_v_2_controller_remove(base.id).id == base.id
    assert refused(404, bases.knowledge_base_v_2_controller_find_one, base.id)["error"] == "Not Found"


def test_copies_of_suites_and_how_many_simulations_may_run(vapi: Vapi) -> None:
    scenario = vapi.simulation_scenarios.scenario_controller_create(
        name="Books",
        instructions="Book.",
        evaluations=[
            {"structuredOutput": {"name": "booked", "schema": {"type": "boolean"}}, "comparator": "=", "value": True}
        ],
    )
    person = vapi.simulation_personalities.personality_controller_create(name="Calm", assistant={})
    simulation = vapi.simulations.simulation_controller_create(scenario_id=scenario.id, personality_id=person.id)
    suite = vapi.simulation_suites.simulation_suite_controller_create(name="Nightly", simulation_ids=[simulation.id])
    copy = vapi.simulation_suites.simulation_suite_controller_duplicate(suite.id)
    assert (copy.name, copy.simulation_ids) == ("Nightly (copy)", suite.simulation_ids)
    room = vapi.simulations.simulation_controller_get_concurrency()
    assert (room.active_simulations, room.available_to_start) == (0, room.concurrency_limit // 2)


def test_what_has_no_engine_yet_says_so(vapi: Vapi) -> None:
    runs, target = vapi.simulation_runs, {"type": "assistant", "assistantId": UNKNOWN}
    for call, arguments, fields in (
        (runs.simulation_run_controller_create, (), {"simulations": [], "target": target}),
        (runs.simulation_run_controller_find_one, (UNKNOWN,), {}),
        (runs.simulation_run_controller_cancel_group, (UNKNOWN,), {}),
        (runs.simulation_run_controller_find_items, (UNKNOWN,), {}),
        (runs.simulation_run_controller_find_item, (UNKNOWN, UNKNOWN), {}),
        (runs.simulation_run_controller_cancel_item, (UNKNOWN, UNKNOWN), {}),
        (runs.simulation_run_controller_generate_suggestions, (UNKNOWN, UNKNOWN), {"force": "true"}),
        (vapi.simulations.simulation_generate_controller_generate, (), {}),
        (vapi.eval.eval_controller_get_run, (UNKNOWN,), {}),
        (vapi.eval.eval_controller_remove_run, (UNKNOWN,), {}),
    ):
        assert "is not built yet" in refused(501, call, *arguments, **fields)["message"]
