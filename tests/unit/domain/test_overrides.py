from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.overrides import apply_overrides, deep_merge, merged_variables

names = st.sampled_from(["model", "voice", "a", "b", "tools"])
leaves = st.none() | st.integers(0, 3) | st.sampled_from(["", "x"]) | st.lists(st.integers(0, 3), max_size=2)
configs = st.dictionaries(
    names, st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=6)
)


def present(config: dict[str, Any]) -> dict[str, Any]:
    """The top level without nulls, as merging leaves it."""
    return {key: value for key, value in config.items() if value is not None}


@for_all(configs)
def test_no_overrides_change_nothing(config: dict[str, Any]) -> None:
    assert apply_overrides(config, []) == present(config)
    assert apply_overrides(config, [{}, None]) == present(config)


@for_all(configs, configs)
def test_the_same_overrides_twice_are_the_same_as_once(config: dict[str, Any], overrides: dict[str, Any]) -> None:
    assert apply_overrides(config, [overrides, overrides]) == apply_overrides(config, [overrides])


@for_all(configs, configs, configs)
def test_layers_one_after_the_other_are_the_layers_together(
    config: dict[str, Any], first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert apply_overrides(apply_overrides(config, [first]), [second]) == apply_overrides(config, [first, second])


@for_all(configs, configs)
def test_every_value_of_the_overrides_wins_and_all_else_stays(
    config: dict[str, Any], overrides: dict[str, Any]
) -> None:
    def check(base: Any, layer: dict[str, Any], merged: dict[str, Any]) -> None:
        for key in merged:
            value, before = layer.get(key), base.get(key) if isinstance(base, dict) else None
            if value is None:
                assert merged[key] == before
            elif isinstance(value, dict):
                check(before, value, merged[key])
            else:
                assert merged[key] == value

    check(config, overrides, apply_overrides(config, [overrides]))


@for_all(configs, configs)
def test_arguments_are_not_changed(config: dict[str, Any], overrides: dict[str, Any]) -> None:
    before = copy.deepcopy((config, overrides))
    apply_overrides(config, [{**overrides, "tools:append": [1]}])
    assert (config, overrides) == before


@pytest.mark.parametrize(
    ("base", "overrides", "merged"),
    [
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 9}}, {"a": {"b": 9, "c": 2}}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {"b": 1}}),
        ({"a": 1}, {"a": None}, {"a": 1}),
        ({"a": 1}, {"a": {"b": 2, "c": None}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": False}, {"a": 0}, {"a": 0}),
        (
            {"voice": {"inputPunctuationBoundaries": [".", "!"]}},
            {"voice": {"inputPunctuationBoundaries": ["!", "?"]}},
            {"voice": {"inputPunctuationBoundaries": [".", "!", "?"]}},
        ),
    ],
)
def test_merging(base: dict[str, Any], overrides: dict[str, Any], merged: dict[str, Any]) -> None:
    assert deep_merge(base, overrides) == merged


def test_a_partial_model_keeps_the_rest_and_new_messages_replace_the_prompt() -> None:
    config = {"model": {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "old"}]}}
    overrides = {"model": {"temperature": 0, "messages": [{"role": "system", "content": "new"}]}}
    assert apply_overrides(config, [overrides])["model"] == {
        "provider": "openai",
        "model": "gpt-4o",
        "temperature": 0,
        "messages": [{"role": "system", "content": "new"}],
    }


def test_appended_tools_of_all_layers_come_after_the_merged_ones() -> None:
    config = {"model": {"provider": "vapi", "tools": [{"type": "function"}]}}
    layers = [
        {"tools:append": [{"type": "dtmf"}]},
        {"model": {"tools": [{"type": "sms"}]}, "tools:append": [{"type": "endCall"}]},
    ]
    merged = apply_overrides(config, layers)
    assert [tool["type"] for tool in merged["model"]["tools"]] == ["sms", "dtmf", "endCall"]
    assert "tools:append" not in merged


@pytest.mark.parametrize("model", [None, "gpt", {"tools": "none"}, {"tools": None}])
def test_appending_survives_a_model_of_the_wrong_shape(model: Any) -> None:
    merged = apply_overrides({"model": model}, [{"tools:append": [{"type": "endCall"}]}])
    assert merged["model"]["tools"] == [{"type": "endCall"}]


def test_variables_merge_name_by_name_and_whole_by_value() -> None:
    layers = [{"variableValues": {"a": 1, "b": {"x": 1}}}, None, {}, {"variableValues": {"b": {"y": 2}, "c": None}}]
    assert merged_variables(layers) == {"a": 1, "b": {"y": 2}, "c": None}
    assert "variableValues" not in apply_overrides({}, layers)
