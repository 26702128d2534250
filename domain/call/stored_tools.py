"""The tools that an assistant refers to, put beside those that stand in its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.call.events import ConfigurationUse
from domain.configuration.lookup import Configurations


def with_stored_tools(
    config: Mapping[str, Any], stored: Configurations
) -> tuple[dict[str, Any], tuple[ConfigurationUse, ...]]:
    """``config`` with the tools of ``model.toolIds`` and ``model.toolRefs`` behind ``model.tools``, those that hooks
    name by ``toolId`` and the one of ``recordingConsentPlan.declineToolId`` in their place, and at which versions they
    were found.

    A tool is taken once, at the version that ``toolRefs`` pins where it does. Raises ``NotStored``.
    """
    config, hooked = _with_hook_tools(config, stored)
    config, declining = _with_decline_tool(config, stored)
    hooked = (*hooked, *declining)
    model = config.get("model")
    if not isinstance(model, Mapping):
        return dict(config), hooked
    pinned = {
        ref["toolId"]: ref.get("version")
        for ref in _listed(model.get("toolRefs"))
        if isinstance(ref, Mapping) and isinstance(ref.get("toolId"), str)
    }
    wanted = dict.fromkeys((*(id for id in _listed(model.get("toolIds")) if isinstance(id, str)), *pinned))
    if not wanted:
        return dict(config), hooked
    found = [stored.find("tool", id, pinned.get(id)) for id in wanted]
    tools = [*_listed(model.get("tools")), *({**tool.config, "id": tool.id} for tool in found)]
    used = tuple(ConfigurationUse(kind="tool", id=tool.id, version=tool.version) for tool in found)
    return {**config, "model": {**model, "tools": tools}}, (*used, *hooked)


def _with_hook_tools(
    config: Mapping[str, Any], stored: Configurations
) -> tuple[Mapping[str, Any], tuple[ConfigurationUse, ...]]:
    used: dict[str, ConfigurationUse] = {}

    def action(value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("tool") or not isinstance(value.get("toolId"), str):
            return value
        found = stored.find("tool", value["toolId"], None)
        used[found.id] = ConfigurationUse(kind="tool", id=found.id, version=found.version)
        return {**value, "tool": {**found.config, "id": found.id}}

    def hook(value: Any) -> Any:
        return {**value, "do": [action(each) for each in _listed(value.get("do"))]} if _has_actions(value) else value

    hooks = [hook(value) for value in _listed(config.get("hooks"))]
    return ({**config, "hooks": hooks}, tuple(used.values())) if used else (config, ())


def _with_decline_tool(
    config: Mapping[str, Any], stored: Configurations
) -> tuple[Mapping[str, Any], tuple[ConfigurationUse, ...]]:
    compliance = config.get("compliancePlan")
    plan = compliance.get("recordingConsentPlan") if isinstance(compliance, Mapping) else None
    if not isinstance(compliance, Mapping) or not isinstance(plan, Mapping) or plan.get("declineTool"):
        return config, ()
    if not isinstance(plan.get("declineToolId"), str):
        return config, ()
    found = stored.find("tool", plan["declineToolId"], None)
    complete = {**plan, "declineTool": {**found.config, "id": found.id}}
    use = ConfigurationUse(kind="tool", id=found.id, version=found.version)
    return {**config, "compliancePlan": {**compliance, "recordingConsentPlan": complete}}, (use,)


def _has_actions(hook: Any) -> bool:
    return isinstance(hook, Mapping) and isinstance(hook.get("do"), list)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
