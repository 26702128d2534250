"""Squads as calls use them, and what stays of a conversation when it is handed over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.call.context_engineering import MODES, PLANS, Context, Message, kept, read_context
from domain.call.squads import SquadInvalid, read_squad
from domain.configuration.lookup import NotStored, Stored
from domain.overrides import apply_overrides


class Shelf:
    """Configurations by id."""

    def __init__(self, **stored: dict[str, Any]) -> None:
        self._stored = stored

    def find(self, kind: str, id: str, version: str | None = None) -> Stored:
        if id not in self._stored:
            raise NotStored(kind, id, version)
        return Stored(kind=kind, id=id, version=version or "v3", config=self._stored[id])


def merged(squad: dict[str, Any], shelf: Shelf | None = None, *call: dict[str, Any]) -> list[dict[str, Any]]:
    read = read_squad(squad, shelf or Shelf(), call)
    return [apply_overrides(member.config, member.layers) for member in read.members]


def test_layers_are_merged_in_the_documented_order() -> None:
    squad = {
        "members": [
            {
                "assistantId": "a",
                "assistantOverrides": {"firstMessage": "member", "voice": {"speed": 1}, "endCallMessage": "member"},
            }
        ],
        "membersOverrides": {"firstMessage": "squad", "voice": {"voiceId": "x"}},
    }
    shelf = Shelf(a={"name": "A", "firstMessage": "base", "voice": {"provider": "p"}, "endCallMessage": "base"})
    (config,) = merged(squad, shelf, {"firstMessage": "call"})
    assert config["firstMessage"] == "call"
    assert config["voice"] == {"provider": "p", "speed": 1, "voiceId": "x"}
    assert config["endCallMessage"] == "member"


def test_the_older_spelling_of_members_overrides_counts() -> None:
    (config,) = merged({"members": [{"assistant": {"name": "A"}}], "memberOverrides": {"firstMessage": "x"}})
    assert config["firstMessage"] == "x"


def test_destinations_become_tools() -> None:
    own = {"type": "transferCall", "destinations": [{"type": "number", "number": "+4915"}]}
    plain = {"type": "assistant", "assistantName": "B"}
    by_id = {"type": "assistant", "assistantId": "c"}
    planned = {"type": "assistant", "assistantName": "D", "contextEngineeringPlan": {"type": "none"}}
    for tools in ([], [own]):
        member = {
            "assistant": {"name": "A", "model": {"provider": "vapi", "tools": tools}},
            "assistantDestinations": [plain, by_id, planned],
        }
        (config,) = merged({"members": [member]})
        made = config["model"]["tools"]
        assert [tool["destinations"] for tool in made if tool["type"] == "handoff"] == [[by_id], [planned]]
        (transfer,) = [tool for tool in made if tool["type"] == "transferCall"]
        assert transfer["destinations"] == [*(own["destinations"] if tools else []), plain]


@pytest.mark.parametrize(
    ("squad", "words"),
    [
        ({}, "no members"),
        ({"members": [{}]}, "neither assistantId nor assistant"),
        ({"members": [{"assistant": {"name": "A"}}, {"assistantId": "a"}]}, "Duplicate Assistant Name: A"),
    ],
)
def test_squads_no_call_can_be_held_with(squad: dict[str, Any], words: str) -> None:
    with pytest.raises(SquadInvalid, match=words):
        read_squad(squad, Shelf(a={"name": "A"}))


def test_the_longest_member_says_how_long_a_call_may_last() -> None:
    members = [{"assistant": {"maxDurationSeconds": seconds}} for seconds in (60, 1800)] + [{"assistant": {}}]
    assert read_squad({"members": members}, Shelf()).max_duration_seconds == 1800


roles = st.sampled_from(["user", "assistant", "system", "tool_calls", "tool_result"])
messages = st.lists(st.builds(Message, role=roles, call_ids=st.sampled_from([(), ("a",), ("b",)])), max_size=12)
contexts = st.builds(Context, type=st.sampled_from([*PLANS, *MODES]), max_messages=st.none() | st.integers(0, 15))


@given(messages, contexts, st.integers(0, 12))
def test_what_is_kept_is_in_order_and_no_answer_is_without_its_call(
    said: list[Message], context: Context, took_over: int
) -> None:
    indexes = kept(said, context, took_over=took_over, transfer_calls=("a",))
    assert indexes == sorted(set(indexes))
    made = {call for index in indexes if said[index].role == "tool_calls" for call in said[index].call_ids}
    answered = {call for index in indexes if said[index].role == "tool_result" for call in said[index].call_ids}
    assert answered <= made
    if context.type == "lastNMessages" and context.max_messages is not None:
        assert len(indexes) <= context.max_messages


@pytest.mark.parametrize("plan", [None, {}, {"type": "unknown"}, "all", {"type": "lastNMessages", "maxMessages": "x"}])
def test_a_plan_that_is_none_counts_as_all_or_unlimited(plan: Any) -> None:
    assert read_context(plan).max_messages is None
