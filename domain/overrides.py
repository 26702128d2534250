"""How overrides change a configuration: objects merge, everything else replaces, nulls are ignored.

The rules are those of Vapi's assistant overrides, https://docs.vapi.ai/assistants/personalization: ``variableValues``
of all layers merge key by key, ``tools:append`` adds to the model's tools after the merge. A partial model override
(a temperature, say) keeps the rest of the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

APPENDED_TOOLS = "tools:append"
VARIABLE_VALUES = "variableValues"
_UNITED_LISTS = frozenset({"inputPunctuationBoundaries"})
"""Lists of marks where a later layer adds to the earlier ones."""


def apply_overrides(config: Mapping[str, Any], layers: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """``config`` with every layer merged over it, the later one winning. Arguments are not changed.

    The result has no nulls, no ``variableValues`` and no ``tools:append`` of its own; see ``merged_variables``.
    """
    merged = _without_nulls(config)
    appended = _listed(merged.pop(APPENDED_TOOLS, None))
    merged.pop(VARIABLE_VALUES, None)
    for layer in layers:
        overrides = _without_nulls(layer or {})
        appended.extend(_listed(overrides.pop(APPENDED_TOOLS, None)))
        overrides.pop(VARIABLE_VALUES, None)
        merged = deep_merge(merged, overrides)
    if appended:
        model = merged["model"] if isinstance(merged.get("model"), Mapping) else {}
        merged["model"] = {**model, "tools": [*_listed(model.get("tools")), *appended]}
    return merged


def merged_variables(layers: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """The ``variableValues`` of all layers, the later one winning for each name."""
    values: dict[str, Any] = {}
    for layer in layers:
        layer_values = (layer or {}).get(VARIABLE_VALUES)
        if isinstance(layer_values, Mapping):
            values.update(layer_values)
    return values


def deep_merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``overrides`` over ``base``: objects merge, arrays and scalars replace, nulls say nothing."""
    merged = dict(base)
    for key, value in overrides.items():
        present = merged.get(key)
        if value is None:
            continue
        if isinstance(value, Mapping):
            merged[key] = deep_merge(present if isinstance(present, Mapping) else {}, value)
        elif key in _UNITED_LISTS and isinstance(present, list) and isinstance(value, list):
            merged[key] = [*present, *(item for item in value if item not in present)]
        else:
            merged[key] = value
    return merged


def _without_nulls(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
