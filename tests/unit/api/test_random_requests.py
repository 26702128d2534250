"""Whatever is sent, the answer is a refusal that can be read or a success, never a failure of ours."""

from __future__ import annotations

import json
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.models.assistant import AssistantOverrides
from api.models.call import CallBody
from api.models.chat import ResponsesBody

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["vapi", "openai", "custom-llm", "off", "@openai", "\x00vapi", "vapi.websocket", "both"]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.text(max_size=6)
            | st.sampled_from(
                ["provider", "type", "messages", "role", "content", "url", "tools", "\x00other", "regex"]
            ),
            children,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def names(model: Any) -> list[str]:
    return [field.alias for field in model.model_fields.values()]


ASSISTANTS = st.dictionaries(st.sampled_from([*names(AssistantOverrides), "foo", ""]), JSON_VALUES, max_size=4)
CALLS = st.dictionaries(
    st.sampled_from(names(CallBody)), JSON_VALUES | ASSISTANTS | st.just({"provider": "vapi.websocket"}), max_size=5
)
QUERIES = st.fixed_dictionaries(
    {"queries": st.lists(st.dictionaries(st.sampled_from(["table", "name", "operations"]), JSON_VALUES), max_size=2)}
)
CHATS = st.dictionaries(
    st.sampled_from(names(ResponsesBody)),
    JSON_VALUES | ASSISTANTS | st.just([{"role": "user", "content": "Hi"}]),
    max_size=4,
)
BODIES = JSON_VALUES | ASSISTANTS | CALLS | CHATS | QUERIES
REQUESTS = st.sampled_from(
    [
        ("POST", "/assistant"),
        ("PATCH", "/assistant/{id}"),
        ("POST", "/call"),
        ("PATCH", "/call/{id}"),
        ("DELETE", "/call/{id}"),
        ("POST", "/analytics"),
        ("POST", "/chat"),
        ("POST", "/chat/responses"),
    ]
)
# The installation lives as long as the test: examples build on what earlier ones left behind, as real requests do.
MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def assert_readable(answer: httpx.Response) -> None:
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    body = answer.json()
    if answer.status_code >= 400:
        assert isinstance(body["message"], str | list)
        assert body["requestId"] == answer.headers["x-request-id"]


@MANY
@given(request=REQUESTS, body=BODIES)
async def test_random_json(client: httpx.AsyncClient, request: tuple[str, str], body: Any) -> None:
    method, path = request
    path = path.replace("{id}", "4d0b4d3c-0000-4000-8000-000000000000")
    content = json.dumps(body, ensure_ascii=True)
    answer = await client.request(method, path, content=content, headers={"content-type": "application/json"})
    assert_readable(answer)


@MANY
@given(request=REQUESTS, content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
async def test_random_bytes(client: httpx.AsyncClient, request: tuple[str, str], content: bytes) -> None:
    method, path = request
    assert_readable(await client.request(method, path.replace("{id}", "x"), content=content))


@MANY
@given(
    path=st.sampled_from(["/assistant", "/call", "/call/x", "/event", "/call/x/events", "/artifact/x/mono"]),
    query=st.dictionaries(
        st.sampled_from(["limit", "createdAtGt", "updatedAtLe", "at", "id", "after", "expires", "signature", "foo"]),
        st.text(max_size=30)
        | st.sampled_from(
            [
                "2026-01-31T09:30:00Z",
                "9999-12-31T23:59:59.999Z",
                "0001-01-01T00:00:00+14:00",
                "0:1",
                "1e400",
                "9" * 5000,
                "-1",
                "nan",
            ]
        ),
    ).filter(lambda query: "after" not in query),
    headers=st.dictionaries(
        st.sampled_from(["authorization", "if-match", "x-callfold-position", "range", "x-request-id", "accept"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    ),
)
async def test_random_queries_and_headers(
    client: httpx.AsyncClient, path: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    if path == "/event":
        query = {**query, "foo": "an unknown parameter keeps the answer from being endless"}
    assert_readable(await client.get(path, params=query, headers=headers))
