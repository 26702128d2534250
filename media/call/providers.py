"""Who hears, thinks and speaks in a call: the configured provider of each stage, and its fallbacks in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from media.providers.language_model import LanguageModel
from media.providers.speech_to_text import SpeechToText
from media.providers.tenant import ServesTenants, Tenant
from media.providers.text_to_speech import TextToSpeech


class Providers(Protocol):
    """The registry, as a call needs it: usable providers in the order to try them, at least one.

    Each raises ``ProviderError`` where neither the configured provider nor a fallback can be used.
    """

    def transcribers(self, assistant: Mapping[str, Any]) -> Sequence[SpeechToText]: ...

    def models(self, assistant: Mapping[str, Any]) -> Sequence[LanguageModel]: ...

    def voices(self, assistant: Mapping[str, Any]) -> Sequence[TextToSpeech]: ...


def providers_of(providers: Providers, tenant: Tenant) -> Providers:
    """Those that a conversation of the tenant uses: with the organisation's own keys, where the registry knows them."""
    return providers.of(tenant) if isinstance(providers, ServesTenants) else providers


@dataclass(frozen=True, slots=True)
class Chosen:
    """``voice_keys`` tell the voices' sounds apart in the cache; they are empty where nothing may be kept.

    ``consent_voices`` ask for consent to being recorded, where that is not the assistant's own voice.
    """

    transcribers: tuple[SpeechToText, ...]
    models: tuple[LanguageModel, ...]
    voices: tuple[TextToSpeech, ...]
    voice_keys: tuple[str, ...]
    consent_voices: tuple[TextToSpeech, ...] = ()
    consent_voice_keys: tuple[str, ...] = ()


def choose(providers: Providers, assistant: Mapping[str, Any]) -> Chosen:
    """Raises the ``ProviderError`` of the first stage that nobody can serve."""
    voices, voice_keys = _voices(providers, assistant)
    asking = _consent_voice(assistant)
    consent_voices, consent_keys = _voices(providers, {**assistant, "voice": asking}) if asking else ((), ())
    return Chosen(
        transcribers=tuple(providers.transcribers(assistant)),
        models=tuple(providers.models(assistant)),
        voices=voices,
        voice_keys=voice_keys,
        consent_voices=consent_voices,
        consent_voice_keys=consent_keys,
    )


def _voices(providers: Providers, assistant: Mapping[str, Any]) -> tuple[tuple[TextToSpeech, ...], tuple[str, ...]]:
    voices = tuple(providers.voices(assistant))
    return voices, tuple(_voice_key(assistant, index, voice) for index, voice in enumerate(voices))


def _consent_voice(assistant: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The voice of ``compliancePlan.recordingConsentPlan``, where it has one of its own."""
    value: Any = assistant
    for name in ("compliancePlan", "recordingConsentPlan", "voice"):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) and value else None


def _voice_key(assistant: Mapping[str, Any], index: int, voice: TextToSpeech) -> str:
    configured = assistant.get("voice")
    section = configured if isinstance(configured, Mapping) else {}
    if section.get("cachingEnabled") is False:
        return ""
    return f"{index} {voice.provider} {msgspec.json.encode(section, order='sorted').decode()}"
