"""Uploads of every use as a Vapi user makes them: through the official SDK, over a system that is killed meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from vapi import Vapi
from vapi.core.api_error import ApiError

from infra.demo.caller import Caller, Line
from infra.demo.speech import synthesize
from tests.end_to_end.system_process import TRANSPORT, SystemProcess, running
from tests.unit.streams.knowledge.made_files import docx, encrypted_pdf, pdf
from tests.use_cases import END_CALL, local

pytestmark = pytest.mark.timeout(900)  # whole systems are started, which a busy machine does slowly

PRICES = pdf(["Price list of the clinic.", "Cleaning costs 90 dollars."], ["Whitening costs 240 dollars."])
LONG = json.dumps([{"service": f"Treatment {number}", "price": number} for number in range(15_000)]).encode()
"""Takes seconds to read."""
READ_SECONDS = 120


def wait_until_read(system: SystemProcess, file_id: str) -> None:
    with system.operator() as operator:
        request = {"originator": file_id, "types": "file.text_extracted,file.text_failed", "follow": "true"}
        with operator.stream("GET", "/operator/events", params=request, timeout=READ_SECONDS) as stream:
            next(line for line in stream.iter_lines() if line.startswith("data: "))


@pytest.mark.long  # over a killed system; tests/unit/api holds every route of them
def test_files_and_knowledge_bases_through_the_official_sdk(tmp_path: Path) -> None:
    with running(tmp_path / "data", role="api") as first:
        assert first.organization is not None
        key = first.organization["privateKey"]
        with first.api(key) as api:
            long = api.post("/file", files={"file": ("treatments.json", LONG)}).json()
            prices = api.post(
                "/file", files={"file": ("prices.pdf", PRICES)}, data={"purpose": "knowledge-base-v2"}
            ).json()
            assert (long["status"], prices["status"]) == ("processing", "processing")
            while not list((tmp_path / "data" / "knowledge" / "scratch").glob("*/*/job.json")):
                api.get("/file")
        first.kill()

    with running(tmp_path / "data", role="api") as second:
        for file_id in (long["id"], prices["id"]):
            wait_until_read(second, file_id)
        vapi = Vapi(token=key, base_url=second.url)
        file = vapi.files.get(prices["id"])
        assert (file.status, file.original_name, file.bytes) == ("done", "prices.pdf", len(PRICES))
        assert httpx.get(str(file.url), trust_env=False).content == PRICES
        text = httpx.get(str(file.parsed_text_url), trust_env=False).text
        assert text == "Price list of the clinic.\nCleaning costs 90 dollars.\fWhitening costs 240 dollars."
        assert file.parsed_text_bytes == len(text)
        assert vapi.files.update(prices["id"], name="Prices").name == "Prices"
        assert [listed.id for listed in vapi.files.list(purpose="knowledge-base-v2")] == [prices["id"]]

        broken = vapi.files.create(file=("secret.pdf", encrypted_pdf("secret"), "application/pdf"))
        wait_until_read(second, broken.id)
        assert vapi.files.get(broken.id).status == "failed"

        bases = vapi.knowledge_bases_v_2
        base = bases.knowledge_base_v_2_controller_create(name="Prices", description="What treatments cost.")
        base_id = base.id
        for file_id in (prices["id"], broken.id):
            tie = bases.knowledge_base_v_2_controller_file_attach(base_id, file_id=file_id)
            assert (tie.knowledge_base_v_2_id, tie.file_id) == (base_id, file_id)
        found = bases.knowledge_base_v_2_controller_find_one(base_id)
        assert [(tie.file_name, tie.status) for tie in found.files] == [
            ("prices.pdf", "ready"),
            ("secret.pdf", "failed"),
        ]
        tool = vapi.tools.get(str(found.tool_id))
        assert (tool.type, tool.knowledge_base_id) == ("knowledgeBase", base_id)
        assert [listed.id for listed in bases.knowledge_base_v_2_controller_find_all(limit=5)] == [base_id]
        again = bases.knowledge_base_v_2_controller_file_retry(base_id, broken.id)
        assert again.status in ("indexing", "failed")
        with pytest.raises(ApiError) as refused:
            bases.knowledge_base_v_2_controller_file_retry(base_id, prices["id"], request_options={"max_retries": 0})
        assert refused.value.status_code == 400
        with second.api(key) as api:
            asked = {"query": "How much is whitening?", "limit": 1}
            answer = api.post(f"/v2/knowledge-base/{base_id}/search", json=asked).json()
        assert [(passage["fileName"], passage["page"]) for passage in answer["passages"]] == [("prices.pdf", 2)]
        assert [missing["reason"] for missing in answer["notSearched"]] != []

        changed = bases.knowledge_base_v_2_controller_update(base_id, name="Price list")
        assert changed.name == "Price list"
        assert bases.knowledge_base_v_2_controller_file_detach(base_id, broken.id).file_id == broken.id
        assert [tie.file_id for tie in bases.knowledge_base_v_2_controller_files_get(base_id)] == [prices["id"]]
        assert bases.knowledge_base_v_2_controller_remove(base_id).id == base_id
        assert vapi.files.delete(prices["id"]).id == prices["id"]
        with pytest.raises(ApiError) as gone:
            vapi.tools.get(str(found.tool_id))
        assert gone.value.status_code == 404
        assert second.terminate() == 0


@pytest.mark.long
def test_a_hostile_file_hurts_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "data", role="api", CALLFOLD_EXTRACTION_SECONDS="1") as system:
        assert system.organization is not None
        with system.api(system.organization["privateKey"]) as api:
            slow = api.post("/file", files={"file": ("slow.json", LONG * 10)}).json()
            good = api.post("/file", files={"file": ("hours.docx", docx("Hours", ["Nine to five."]))}).json()
            wait_until_read(system, good["id"])
            failed = api.get(f"/file/{slow['id']}").json()
            assert (failed["status"], failed["failureCode"]) == ("failed", "damaged")
            assert api.get("/health").status_code == 200


@pytest.mark.long  # a spoken call takes as long as people need to speak
async def test_a_caller_is_told_what_an_uploaded_file_says(tmp_path: Path) -> None:
    question, goodbye = "how much is whitening", "thank you goodbye"
    speech = await synthesize([question, goodbye])
    about = {"name": "prices", "description": "What treatments like cleaning and whitening cost."}
    with running(tmp_path / "data", CALLFOLD_ADMISSION_LAG_MS="10000") as system:
        assert system.organization is not None
        with system.api(system.organization["privateKey"]) as api:
            file_id = api.post("/file", files={"file": ("prices.pdf", PRICES)}).json()["id"]
            wait_until_read(system, file_id)
            query = {"type": "query", "knowledgeBases": [{"provider": "google", "fileIds": [file_id], **about}]}
            assistant = local("You are the reception of a clinic.", query, END_CALL, firstMessage="This is the clinic.")
            created = api.post("/call", json={"assistant": assistant, "transport": TRANSPORT}).json()
            caller = Caller(speech, lambda _: None)
            lines = [Line(question, answer="240 dollars"), Line(goodbye)]
            await caller.hold(created["transport"]["websocketCallUrl"], lines)
            messages = api.get(f"/call/{created['id']}").json()["messages"]
    results = [message["result"] for message in messages if message["role"] == "tool_call_result"]
    said = [message["message"] for message in messages if message["role"] == "bot"]
    assert "[prices.pdf, page 2]\nWhitening costs 240 dollars." in results[0]
    assert any(text.startswith("Whitening costs 240 dollars.") for text in said)
