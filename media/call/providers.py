"""Who hears, thinks and speaks in a call: the configured provider of each stage, and its fallbacks in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from media.providers.language_model import LanguageModel
from media.providers.speech_to_text import SpeechToText
from media.providers.text_to_speech import TextToSpeech


class Providers(Protocol):
    """The registry, as a call needs it: usable providers in the order to try them, at least one.

    Each raises ``ProviderError`` where neither the configured provider nor a fallback can be used.
    """

    def transcribers(self, assistant: Mapping[str, Any]) -> Sequence[SpeechToText]: ...

    def models(self, assistant: Mapping[str, Any]) -> Sequence[LanguageModel]: ...

    def voices(self, assistant: Mapping[str, Any]) -> Sequence[TextToSpeech]: ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """``voice_keys`` tell the voices' sounds apart in the cache; they are empty where nothing may be kept."""

    transcribers: tuple[SpeechToText, ...]
    models: tuple[LanguageModel, ...]
    voices: tuple[TextToSpeech, ...]
    voice_keys: tuple[str, ...]


def choose(providers: Providers, assistant: Mapping[str, Any]) -> Chosen:
    """Raises the ``ProviderError`` of the first stage that nobody can serve."""
    voices = tuple(providers.voices(assistant))
    return Chosen(
        transcribers=tuple(providers.transcribers(assistant)),
        models=tuple(providers.models(assistant)),
        voices=voices,
        voice_keys=tuple(_voice_key(assistant, index, voice) for index, voice in enumerate(voices)),
    )


def _voice_key(assistant: Mapping[str, Any], index: int, voice: TextToSpeech) -> str:
    configured = assistant.get("voice")
    section = configured if isinstance(configured, Mapping) else {}
    if section.get("cachingEnabled") is False:
        return ""
    return f"{index} {voice.provider} {msgspec.json.encode(section, order='sorted').decode()}"
