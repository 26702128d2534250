"""Query tools of a conversation answer from an uploaded PDF, and say where the answer stands."""

from __future__ import annotations

from typing import Any

import pytest

from domain.knowledge.tool import definition, query, sources
from media.machine.outputs import CallTool
from media.tools.knowledge_query import KnowledgeQueries
from media.tools.outcome import Answered
from tests.unit.streams.knowledge.filed import ORG, Installed
from tests.unit.streams.knowledge.made_files import pdf


def query_tool(**files: list[str]) -> dict[str, Any]:
    groups = [
        {"name": name, "provider": "google", "description": f"About {name}.", "fileIds": ids}
        for name, ids in files.items()
    ]
    return {"type": "query", "knowledgeBases": groups}


async def test_a_tool_call_is_answered_from_an_uploaded_pdf(installed: Installed) -> None:
    async with installed.reading():
        prices = await installed.upload("prices.pdf", pdf(["Cleaning: 90 dollars."], ["Whitening: 240 dollars."]))
        await installed.settled(prices)
    queries = KnowledgeQueries(installed.knowledge, ORG, timeout_s=60, result_cap=10_000)
    asked = {"query": "How much is whitening?"}
    call = CallTool(tool_call_id="t1", name="search_knowledge", arguments=asked, tool=query_tool(prices=[prices]))
    outcome = (await queries.run([call]))["t1"]
    assert isinstance(outcome, Answered)
    assert outcome.result.startswith("[prices.pdf, page 2]\nWhitening: 240 dollars.")


def test_a_model_is_told_what_can_be_asked_and_where() -> None:
    single, several = definition(query_tool(prices=["a"])), definition(query_tool(prices=["a"], hours=["b"]))
    assert list(single["parameters"]["properties"]) == ["query"]
    assert several["parameters"]["properties"]["knowledgeBaseNames"]["items"]["enum"] == ["prices", "hours"]
    assert "About prices." in several["description"]
    named = definition({"type": "query", "function": {"name": "look_up", "description": "Looks."}})
    assert (named["name"], named["description"]) == ("look_up", "Looks.")


@pytest.mark.parametrize(
    ("arguments", "searched"),
    [
        ({}, ["prices", "hours"]),
        ({"knowledgeBaseNames": ["hours"]}, ["hours"]),
        ({"knowledgeBaseNames": ["unknown"]}, ["prices", "hours"]),
        ({"knowledgeBaseNames": "hours"}, ["prices", "hours"]),
    ],
)
def test_a_question_can_be_narrowed_to_groups_of_files(arguments: dict[str, Any], searched: list[str]) -> None:
    tool = query_tool(prices=["a"], hours=["b"])
    assert [source.name for source in sources(tool, arguments)] == searched


def test_a_tool_of_a_knowledge_base_searches_that_base_only() -> None:
    assert [source.knowledge_base_id for source in sources({"type": "knowledgeBase", "knowledgeBaseId": "b"})] == ["b"]
    assert sources({"type": "knowledgeBase", "knowledgeBaseId": None}) == ()


def test_the_question_is_found_wherever_the_model_put_it() -> None:
    assert query({"query": "prices?"}) == "prices?"
    assert query({"question": "prices?", "count": 2}) == "prices?"
    assert query({"one": "a", "other": "b"}, "what was said last") == "what was said last"
