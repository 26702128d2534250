"""Conversations in writing through the official SDKs: Vapi's for chats and sessions, OpenAI's for responses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import openai
import pytest
from vapi import AsyncVapi, Vapi
from vapi.core.api_error import ApiError

from domain.organization.founding import Founding
from tests.unit.api.installation import Installation

NO_RETRY: Any = {"max_retries": 0}
FACTS = "# Facts\nBreakfast: Breakfast is served from seven to ten.\nParking: Parking is {{ price }}."
MODEL: Any = {"provider": "vapi", "model": "guided-conversation", "messages": [{"role": "system", "content": FACTS}]}
BREAKFAST = "Breakfast is served from seven to ten."


@pytest.fixture
def riley(vapi: Vapi) -> str:
    return str(vapi.assistants.create(name="Riley", model=MODEL).id)


@pytest.fixture
def base_url(installation: Installation) -> str:
    return installation.dependencies.settings.base_url()


@pytest.fixture
async def async_vapi(base_url: str, founding: Founding) -> AsyncIterator[AsyncVapi]:
    async with httpx.AsyncClient() as http:
        yield AsyncVapi(token=founding.private_key, base_url=base_url, httpx_client=http)


@pytest.fixture
def client(base_url: str, founding: Founding) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=founding.private_key, base_url=f"{base_url}/chat", max_retries=0) as made:
        yield made


def test_the_life_of_a_chat(vapi: Vapi, riley: str) -> None:
    overrides: Any = {"variableValues": {"price": "free"}}
    first: Any = vapi.chats.create(
        input="when is breakfast?", assistant_id=riley, name="visit", assistant_overrides=overrides
    )
    assert (first.output[0].role, first.output[0].content, first.name) == ("assistant", BREAKFAST, "visit")
    assert [row.type for row in first.costs] == ["model", "chat"]
    second: Any = vapi.chats.create(input="and parking?", previous_chat_id=first.id)
    assert second.output[0].content == "Parking is free."
    assert [message.role for message in second.messages] == ["user", "assistant"]
    kept: Any = vapi.chats.get(second.id)
    assert (kept.output, kept.cost, kept.created_at) == (second.output, second.cost, second.created_at)
    page = vapi.chats.list(assistant_id=riley, limit=1, sort_order="ASC")
    assert ([found.id for found in page.results], page.metadata.total_items) == ([first.id], 2)
    assert [found.id for found in vapi.chats.list(previous_chat_id=first.id).results] == [second.id]
    assert vapi.chats.delete(second.id).id == second.id
    with pytest.raises(ApiError) as gone:
        vapi.chats.get(second.id, request_options=NO_RETRY)
    assert gone.value.status_code == 404


def test_a_chat_in_a_session_with_an_inline_assistant(vapi: Vapi) -> None:
    session = vapi.sessions.create(assistant={"model": MODEL}, name="visit")
    messages: Any = [{"role": "user", "message": "when is breakfast?", "time": 0, "endTime": 0, "secondsFromStart": 0}]
    chat: Any = vapi.chats.create(input=messages, session_id=session.id)
    assert chat.output[0].content == BREAKFAST
    kept = vapi.sessions.get(session.id)
    assert [message.role for message in kept.messages or ()] == ["user", "assistant"]
    assert kept.cost == chat.cost > 0
    done = vapi.sessions.update(session.id, status="completed")
    assert done.status == "completed"
    with pytest.raises(ApiError) as refused:
        vapi.chats.create(input="more?", session_id=session.id, request_options=NO_RETRY)
    assert refused.value.status_code == 400
    assert "completed" in refused.value.body["message"][0]


async def test_chats_of_an_asynchronous_client(async_vapi: AsyncVapi, riley: str) -> None:
    chat: Any = await async_vapi.chats.create(input="when is breakfast?", assistant_id=riley)
    assert chat.output[0].content == BREAKFAST
    assert (await async_vapi.chats.get(chat.id)).output == chat.output


def test_a_response_through_vapis_own_client(vapi: Vapi, riley: str) -> None:
    response: Any = vapi.chats.create_response(input="when is breakfast?", assistant_id=riley, stream=False)
    assert (response.object, response.status) == ("response", "completed")
    assert response.output[0].content[0].text == BREAKFAST


def test_frames_as_a_plain_http_client_reads_them(base_url: str, founding: Founding, riley: str) -> None:
    key = {"authorization": f"Bearer {founding.private_key}"}
    body = {"input": "when is breakfast?", "assistantId": riley, "stream": True}
    texts: dict[str, str] = {}
    with httpx.stream("POST", f"{base_url}/chat", json=body, headers=key) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line:
                frame = json.loads(line.removeprefix("data: "))
                texts[frame["path"]] = texts.get(frame["path"], "") + frame["delta"]
    assert texts == {"chat.output[0].content": BREAKFAST}


def test_openais_client_creates_a_response(client: openai.OpenAI, vapi: Vapi, riley: str) -> None:
    response = client.responses.create(
        model="gpt-4o", input="when is breakfast?", metadata={"ward": "7"}, extra_body={"assistantId": riley}
    )
    assert (response.output_text, response.status, response.metadata) == (BREAKFAST, "completed", {"ward": "7"})
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    following = client.responses.create(
        model="gpt-4o",
        input=[{"role": "user", "content": [{"type": "input_text", "text": "and breakfast again?"}]}],
        previous_response_id=response.id,
    )
    assert (following.output_text, following.previous_response_id) == (BREAKFAST, response.id)
    kept: Any = vapi.chats.get(following.id)
    assert [message.content for message in kept.messages] == ["when is breakfast?", BREAKFAST]


def test_openais_client_reads_a_stream(client: openai.OpenAI, riley: str) -> None:
    stream = client.responses.create(
        model="gpt-4o", input="when is breakfast?", stream=True, extra_body={"assistantId": riley}
    )
    events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == BREAKFAST
    completed = events[-1]
    assert completed.type == "response.completed"
    assert completed.response.output_text == BREAKFAST


def test_openais_client_puts_a_response_together(client: openai.OpenAI, riley: str) -> None:
    with client.responses.stream(
        model="gpt-4o", input="when is breakfast?", extra_body={"assistantId": riley}
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert len(deltas) > 3
    assert response.output_text == "".join(deltas) == BREAKFAST


async def test_openais_asynchronous_client(base_url: str, founding: Founding, riley: str) -> None:
    async with openai.AsyncOpenAI(api_key=founding.private_key, base_url=f"{base_url}/chat", max_retries=0) as client:
        response = await client.responses.create(
            model="gpt-4o", input="when is breakfast?", extra_body={"assistantId": riley}
        )
        assert response.output_text == BREAKFAST


def test_openais_client_shows_what_was_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"Couldn't Get Assistant\.") as refused:
        client.responses.create(model="gpt-4o", input="Hello")
    assert refused.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError, match="property instructions should not exist") as unknown:
        client.responses.create(model="gpt-4o", input="Hello", instructions="Be rude.", extra_body={"assistant": {}})
    assert (unknown.value.code, unknown.value.param) == ("VALIDATION_FAILED", "instructions")
    assert unknown.value.response.json()["message"] == ["property instructions should not exist"]
    with pytest.raises(openai.AuthenticationError, match="Invalid Key"):
        client.with_options(api_key="nobody").responses.create(model="gpt-4o", input="Hello")
    with pytest.raises(openai.BadRequestError, match=r"assistant\.property nmae should not exist") as nested:
        list(client.responses.create(model="m", input="Hello", stream=True, extra_body={"assistant": {"nmae": "x"}}))
    assert nested.value.param == "assistant.nmae"
