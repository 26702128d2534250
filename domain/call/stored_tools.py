"""The tools that an assistant refers to, put beside those that stand in its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.call.events import ConfigurationUse
from domain.configuration.lookup import Configurations


def with_stored_tools(
    config: Mapping[str, Any], stored: Configurations
) -> tuple[dict[str, Any], tuple[ConfigurationUse, ...]]:
    """``config`` with the tools of ``model.toolIds`` and ``model.toolRefs`` behind ``model.tools``, and which versions
    they were found at.

    A tool is taken once, at the version that ``toolRefs`` pins where it does. Raises ``NotStored``.
    """
    model = config.get("model")
    if not isinstance(model, Mapping):
        return dict(config), ()
    pinned = {
        ref["toolId"]: ref.get("version")
        for ref in _listed(model.get("toolRefs"))
        if isinstance(ref.get("toolId"), str)
    }
    wanted = dict.fromkeys((*(id for id in _listed(model.get("toolIds")) if isinstance(id, str)), *pinned))
    if not wanted:
        return dict(config), ()
    found = [stored.find("tool", id, pinned.get(id)) for id in wanted]
    tools = [*_listed(model.get("tools")), *({**tool.config, "id": tool.id} for tool in found)]
    used = tuple(ConfigurationUse(kind="tool", id=tool.id, version=tool.version) for tool in found)
    return {**config, "model": {**model, "tools": tools}}, used


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
