"""Ended reasons of provider failures are those that clients know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from media.providers.ended_reason import ended_reason
from media.providers.errors import Category, ProviderError, Stage

DESCRIPTION = Path(__file__).parents[5] / "shared/reference/vapi-openapi.json"


@pytest.mark.skipif(not DESCRIPTION.exists(), reason="needs a copy of Vapi's OpenAPI description")
def test_every_failure_of_every_provider_has_a_reason_that_exists() -> None:
    schemas = json.loads(DESCRIPTION.read_text(encoding="utf-8"))["components"]["schemas"]
    known = set(schemas["Call"]["properties"]["endedReason"]["enum"])
    checked = 0
    for stage in get_args(Stage):
        for choice in schemas["CreateAssistantDTO"]["properties"][stage]["oneOf"]:
            schema = schemas[choice["$ref"].rsplit("/", 1)[1]]
            for provider in schema["properties"]["provider"]["enum"]:
                for category in get_args(Category):
                    assert ended_reason(ProviderError(provider, stage, category)) in known, (provider, stage, category)
                    checked += 1
    assert checked > 300


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ProviderError("openai", "model", "unauthorized"), "pipeline-error-openai-401-incorrect-api-key"),
        (ProviderError("openai", "model", "quota"), "pipeline-error-openai-429-exceeded-quota"),
        (ProviderError("openai", "model", "server"), "call.in-progress.error-providerfault-openai-500-server-error"),
        (ProviderError("custom-llm", "model", "failed"), "call.in-progress.error-providerfault-custom-llm-llm-failed"),
        (ProviderError("custom-llm", "model", "timeout"), "call.in-progress.error-providerfault-custom-llm-llm-failed"),
        (ProviderError("vapi", "voice", "failed"), "call.in-progress.error-vapifault-vapi-voice-failed"),
        (ProviderError("vapi", "voice", "not-configured"), "pipeline-error-vapi-voice-failed"),
        (ProviderError("vapi", "transcriber", "failed"), "call.in-progress.error-vapifault-vapi-transcriber-failed"),
        (ProviderError("acme", "model", "failed"), "call.in-progress.error-pipeline-no-available-llm-model"),
        (ProviderError("acme", "voice", "failed"), "call.in-progress.error-vapifault-vapi-voice-failed"),
    ],
)
def test_reasons_name_whose_fault_it_was(error: ProviderError, expected: str) -> None:
    assert ended_reason(error) == expected
