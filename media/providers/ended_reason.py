"""From a provider's failure to the call's ended reason, as Vapi's list of ended reasons names it.

The list is built as prefix, provider, suffix. What the customer's own key or configuration caused carries
``pipeline-error``; what the provider's servers caused carries ``call.in-progress.error-providerfault``. Only
combinations that exist in the published list are returned: clients switch on these strings.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.provider_names import MODEL_PROVIDERS
from media.providers.errors import Category, ProviderError

NO_MODEL = "call.in-progress.error-pipeline-no-available-llm-model"
"""For a model provider that is not in the published list at all."""

_PIPELINE = "pipeline-error"
_PROVIDER_FAULT = "call.in-progress.error-providerfault"
_PLATFORM_FAULT = "call.in-progress.error-vapifault"

_MODEL_SUFFIXES: Mapping[Category, tuple[str, str]] = {
    "not-configured": (_PIPELINE, "401-unauthorized"),
    "unauthorized": (_PIPELINE, "401-unauthorized"),
    "forbidden": (_PIPELINE, "403-model-access-denied"),
    "quota": (_PIPELINE, "429-exceeded-quota"),
    "bad-request": (_PIPELINE, "400-bad-request-validation-failed"),
    "overloaded": (_PROVIDER_FAULT, "503-server-overloaded-error"),
    "server": (_PROVIDER_FAULT, "500-server-error"),
    "timeout": (_PROVIDER_FAULT, "llm-failed"),
    "failed": (_PROVIDER_FAULT, "llm-failed"),
}
_VOICE_NAMES: Mapping[str, str] = {
    "azure": "azure-voice-failed",
    "11labs": "eleven-labs-voice-failed",
    "cartesia": "cartesia-voice-failed",
    "custom-voice": "custom-voice-failed",
    "deepgram": "deepgram-voice-failed",
    "hume": "hume-voice-failed",
    "inworld": "inworld-voice-failed",
    "lmnt": "lmnt-voice-failed",
    "microsoft": "microsoft-voice-failed",
    "minimax": "minimax-voice-failed",
    "neuphonic": "neuphonic-voice-failed",
    "openai": "openai-voice-failed",
    "playht": "playht-voice-failed",
    "rime-ai": "rime-ai-voice-failed",
    "sesame": "sesame-voice-failed",
    "smallest-ai": "smallest-ai-voice-failed",
    "tavus": "tavus-video-failed",
    "vapi": "vapi-voice-failed",
    "wellsaid": "wellsaid-voice-failed",
    "xai": "xai-voice-failed",
}
_TRANSCRIBER_NAMES: Mapping[str, str] = {
    "11labs": "eleven-labs-transcriber-failed",
    "assembly-ai": "assembly-ai-transcriber-failed",
    "azure": "azure-speech-transcriber-failed",
    "cartesia": "cartesia-transcriber-failed",
    "custom-transcriber": "custom-transcriber-failed",
    "deepgram": "deepgram-transcriber-failed",
    "gladia": "gladia-transcriber-failed",
    "google": "google-transcriber-failed",
    "openai": "openai-transcriber-failed",
    "soniox": "soniox-transcriber-failed",
    "speechmatics": "speechmatics-transcriber-failed",
    "talkscriber": "talkscriber-transcriber-failed",
    "vapi": "vapi-transcriber-failed",
    "xai": "xai-transcriber-failed",
}
_SPECIAL: Mapping[tuple[str, str, Category], str] = {
    ("deepgram", "transcriber", "not-configured"): f"{_PIPELINE}-deepgram-transcriber-api-key-missing",
    ("deepgram", "transcriber", "unauthorized"): f"{_PIPELINE}-deepgram-returning-401-invalid-credentials",
    ("deepgram", "transcriber", "forbidden"): f"{_PIPELINE}-deepgram-returning-403-model-access-denied",
    ("openai", "model", "unauthorized"): f"{_PIPELINE}-openai-401-incorrect-api-key",
}
_OURS: frozenset[str] = frozenset({"vapi"})
"""Providers that this platform runs itself: their failures are the platform's."""


def ended_reason(error: ProviderError) -> str:
    """The reason with which a call ends that ``error`` made impossible."""
    if special := _SPECIAL.get((error.provider, error.stage, error.category)):
        return special
    if error.stage == "model":
        if error.provider not in MODEL_PROVIDERS:
            return NO_MODEL
        prefix, suffix = _MODEL_SUFFIXES[error.category]
        return f"{prefix}-{error.provider}-{suffix}"
    names = _VOICE_NAMES if error.stage == "voice" else _TRANSCRIBER_NAMES
    if error.provider not in names:
        return f"{_PLATFORM_FAULT}-vapi-{error.stage}-failed"
    prefix = _PLATFORM_FAULT if error.provider in _OURS and error.category != "not-configured" else _PIPELINE
    return f"{prefix}-{names[error.provider]}"
