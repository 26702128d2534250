"""From a saved assistant and a call's overrides to the configuration that the call runs with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from domain.call.templated_fields import TEMPLATED_FIELDS, map_texts
from domain.call.variables import CallFacts, default_variables
from domain.overrides import apply_overrides, merged_variables
from domain.templates import TemplateProblem, render


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """``config`` is complete: merged, rendered, without nulls. ``variable_values`` is what the templates knew.

    ``warnings`` are for ``call.warned``: none of them keeps the call from starting.
    """

    config: dict[str, Any]
    variable_values: dict[str, Any]
    warnings: tuple[TemplateProblem, ...] = ()


def resolve_assistant(
    config: Mapping[str, Any],
    overrides: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None,
    facts: CallFacts,
    now: datetime,
) -> Resolved:
    """Merge ``overrides`` over ``config`` and fill in the templates.

    ``overrides`` is one layer or several, the later one winning. ``now`` is an aware time. Never raises for what a
    configuration contains; a text whose template fails stays as written, with a warning.
    """
    layers = [overrides] if isinstance(overrides, Mapping) else list(overrides or ())
    merged = apply_overrides(config, layers)
    defaults = default_variables(facts, merged, now=now)
    variables = {**defaults, **merged_variables([config, *layers])}
    warnings: dict[TemplateProblem, None] = {}

    def fill(text: str, field: str) -> str:
        rendered = render(text, variables, now=now, field=field)
        warnings.update(dict.fromkeys(rendered.problems))
        return rendered.text

    return Resolved(
        config=map_texts(merged, TEMPLATED_FIELDS, fill), variable_values=variables, warnings=tuple(warnings)
    )
