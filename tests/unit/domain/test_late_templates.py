"""Texts that are rendered when they are used: found again by their wire path, whatever their keys are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.call.late_templates import rendered_at
from domain.call.templated_fields import ALL_TEXTS, map_texts

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        {"a": "{{x}}"},
        {"a.b": "{{x}}"},
        {"a": {"b.c": {"d": "{{x}}"}}},
        {"a.b": {"c": "{{x}}"}, "a": {"b": {"c": "{{x}}"}}},
        {"a.b.c": ["{{x}}", {"0.1": "{{x}}"}], "a": {"b": 1}},
        {"": "{{x}}", ".": "{{x}}", "a.": {".b": "{{x}}"}},
        ["{{x}}", ["{{x}}"]],
    ],
)
def test_every_text_that_was_found_is_rendered_under_any_key(body: Any) -> None:
    paths: list[str] = []

    def noted(text: str, path: str) -> str:
        paths.append(path)
        return text

    config = {"body": body}
    map_texts(config, (("body", ALL_TEXTS),), noted)
    rendered = rendered_at(config, paths, {"x": "{{y}}", "y": "rendered twice"}, NOW)

    assert rendered == map_texts(config, (("body", ALL_TEXTS),), lambda text, path: "{{y}}")


def test_paths_to_nothing_change_nothing() -> None:
    config = {"a": ["{{x}}"], "b": {"c": 1}}
    assert rendered_at(config, ["", "a.1", "a.x", "b.c", "b.c.d", "e"], {"x": "1"}, NOW) == config
