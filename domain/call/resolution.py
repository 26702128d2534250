"""From a saved assistant and a call's overrides to the configuration that the call runs with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from domain.call.events import ConfigurationUse
from domain.call.stored_tools import with_stored_tools
from domain.call.templated_fields import TEMPLATED_FIELDS, map_texts
from domain.call.tool_parameters import parameter_names
from domain.call.variables import CallFacts, default_variables
from domain.configuration.lookup import Configurations
from domain.overrides import apply_overrides, merged_variables
from domain.templates import TemplateProblem, render

_UNKNOWN = "template-unknown-variable"
_PROMPT = "model.messages."
_TOOLS = "model.tools."
_HOOKS = "hooks."


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """``config`` is complete: merged, rendered, without nulls. ``variable_values`` is what the templates knew.

    ``late`` are the wire paths of texts left as templates, because they name what only comes up later.
    ``used`` are the stored tools that were put in. ``warnings`` are for ``call.warned``: none of them keeps the call
    from starting.
    """

    config: dict[str, Any]
    variable_values: dict[str, Any]
    warnings: tuple[TemplateProblem, ...] = ()
    late: tuple[str, ...] = ()
    used: tuple[ConfigurationUse, ...] = ()


def resolve_assistant(
    config: Mapping[str, Any],
    overrides: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None,
    facts: CallFacts,
    now: datetime,
    *,
    stored: Configurations | None = None,
    variables: Mapping[str, Any] | None = None,
) -> Resolved:
    """Merge ``overrides`` over ``config``, put in the tools it refers to, and fill in the templates.

    ``overrides`` is one layer or several, the later one winning. ``now`` is an aware time. ``stored`` is where tools
    are found; without it references to them stay references. ``variables`` are those that the call has already; they
    win over the configuration's own. Raises ``NotStored`` and nothing else; a text whose template fails stays as
    written, with a warning.
    """
    layers = [overrides] if isinstance(overrides, Mapping) else list(overrides or ())
    merged = apply_overrides(config, layers)
    used: tuple[ConfigurationUse, ...] = ()
    if stored is not None:
        merged, used = with_stored_tools(merged, stored)
    defaults = default_variables(facts, merged, now=now)
    known = {**defaults, **merged_variables([config, *layers]), **(variables or {})}
    hidden = _hidden_by_parameters(merged, known)
    warnings: dict[TemplateProblem, None] = {}
    late: list[str] = []

    def fill(text: str, field: str) -> str:
        of_tool = field.startswith(_TOOLS)
        rendered = render(text, hidden.get(_tool_of(field), known) if of_tool else known, now=now, field=field)
        unknown = any(problem.code == _UNKNOWN for problem in rendered.problems)
        waits = of_tool or field.startswith(_HOOKS)
        if not (waits and unknown):
            warnings.update(dict.fromkeys(rendered.problems))
        if unknown and (waits or field.startswith(_PROMPT)):
            late.append(field)
            return text
        return rendered.text

    complete = map_texts(merged, TEMPLATED_FIELDS, fill)
    return Resolved(
        config=complete, variable_values=known, warnings=tuple(warnings), late=tuple(dict.fromkeys(late)), used=used
    )


def _hidden_by_parameters(config: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What each tool's texts may be filled with from the start: not what the model will fill in under the same name."""
    model = config.get("model")
    tools = model.get("tools") if isinstance(model, Mapping) else None
    hidden: dict[str, dict[str, Any]] = {}
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        names = parameter_names(tool)
        if not names.isdisjoint(known):
            hidden[str(index)] = {name: value for name, value in known.items() if name not in names}
    return hidden


def _tool_of(field: str) -> str:
    return field.removeprefix(_TOOLS).partition(".")[0]
