"""Changes in any order: whole fields are replaced, null clears, and what is refused changes nothing."""

from __future__ import annotations

from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=80)
VALID: dict[str, st.SearchStrategy[Any]] = {
    "name": st.none() | NAMES,
    "instructions": NAMES,
    "path": st.none() | st.sampled_from(["a", "a/b", "a/b/c"]),
    "toolMocks": st.none()
    | st.lists(st.fixed_dictionaries({"toolName": NAMES}, optional={"enabled": st.booleans()}), max_size=2),
    "targetOverrides": st.none()
    | st.dictionaries(st.sampled_from(["firstMessage", "name"]), st.none() | st.text(max_size=40))
    | st.fixed_dictionaries({"metadata": st.dictionaries(st.text(max_size=3), st.none() | st.integers(-9, 9))}),
}
INVALID: dict[str, st.SearchStrategy[Any]] = {
    "name": st.just("x" * 81) | st.integers(),
    "instructions": st.none(),
    "evaluations": st.none() | st.just([{}]),
    "path": st.just("a/b/c/d") | st.just("/"),
    "toolMocks": st.just([{}]) | st.just({}),
    "nmae": st.text(),
    "id": st.text(),
    "targetOverrides": st.just({"foo": 1}) | st.just([]),
}


def some(of: dict[str, st.SearchStrategy[Any]], *, least: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(st.sampled_from(sorted(of)), unique=True, min_size=least, max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: of[name] for name in names})
    )


# The required name cannot be cleared, which makes a change that is otherwise valid a refused one.
CHANGES = some(VALID).map(lambda change: (change, change.get("name", "") is not None)) | st.tuples(
    some(VALID), some(INVALID, least=1)
).map(lambda both: ({**both[0], **both[1]}, False))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(CHANGES, max_size=5))
async def test_any_sequence_of_changes(asking: httpx.AsyncClient, changes: list[tuple[dict[str, Any], bool]]) -> None:
    evaluation = {"structuredOutput": {"name": "n", "schema": {"type": "boolean"}}, "comparator": "=", "value": True}
    body = {"name": "first", "instructions": "i", "evaluations": [evaluation]}
    created = await asking.post("/eval/simulation/scenario", json=body)
    path = f"/eval/simulation/scenario/{created.json()['id']}"
    expected, version, history = dict(body), 1, [body]
    for change, valid in changes:
        answer = await asking.patch(path, json=change)
        assert answer.status_code == (200 if valid else 400), (change, answer.text)
        if valid:
            expected, version = {**expected, **change}, version + 1
            history.append(expected)
        shown = await asking.get(path)
        assert {name: shown.json().get(name) for name in expected} == expected
        assert set(shown.json()) == {"id", "orgId", "createdAt", "updatedAt", *expected}
        assert shown.headers["etag"] == f'"{version}"'
    for number, past in enumerate(history, start=1):
        was = (await asking.get(path, params={"at": f"v{number}"})).json()
        assert {name: was[name] for name in past} == past
    assert (await asking.get(path, params={"at": f"v{version + 1}"})).status_code == 404
