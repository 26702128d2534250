"""Which provider serves an assistant: a table from Vapi's provider names to factories, and the order of fallbacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from media.providers.errors import ProviderError, Stage
from media.providers.language_model import LanguageModel
from media.providers.local.dialogue.model import GuidedConversation
from media.providers.local.recogniser import LocalRecogniser
from media.providers.local.voice import LocalVoice
from media.providers.local.voices import voice_settings
from media.providers.local.worker import WorkerProcess
from media.providers.settings import ProviderSettings
from media.providers.speech_to_text import SpeechToText
from media.providers.text_to_speech import TextToSpeech

LOCAL = "vapi"
"""Vapi's own provider name; here it means the providers of this installation. The default of every stage."""

Configuration = Mapping[str, Any]
Provider = TypeVar("Provider")


class ProviderRegistry:
    """Owns the speech workers and makes the providers of a call. Start it before use, close it after the last call."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._voice_worker = WorkerProcess("media.providers.local.voice_worker", LOCAL, "voice")
        self._recogniser_workers = [
            WorkerProcess("media.providers.local.recogniser_worker", LOCAL, "transcriber")
            for _ in range(max(settings.recogniser_workers, 1))
        ]
        self._models: Mapping[str, Callable[[Configuration], LanguageModel]] = {
            LOCAL: lambda _assistant: GuidedConversation(),
        }
        self._transcribers: Mapping[str, Callable[[Configuration], SpeechToText]] = {LOCAL: self._local_recogniser}
        self._voices: Mapping[str, Callable[[Configuration], TextToSpeech]] = {LOCAL: self._local_voice}

    async def start(self) -> None:
        """Start the speech workers and wait until each can work or has said what this machine lacks."""
        if self._settings.local_speech:
            async with asyncio.TaskGroup() as group:
                for worker in (self._voice_worker, *self._recogniser_workers):
                    group.create_task(worker.start())

    async def close(self) -> None:
        """End the workers and with them every recognition and synthesis that still runs."""
        for worker in (self._voice_worker, *self._recogniser_workers):
            await worker.close()

    def transcriber(self, assistant: Configuration) -> SpeechToText:
        """The first usable of ``transcribers``. Raises ``ProviderError`` (``not-configured``) when there is none."""
        return self.transcribers(assistant)[0]

    def model(self, assistant: Configuration) -> LanguageModel:
        """The first usable of ``models``. Raises ``ProviderError`` (``not-configured``) when there is none."""
        return self.models(assistant)[0]

    def voice(self, assistant: Configuration) -> TextToSpeech:
        """The first usable of ``voices``. Raises ``ProviderError`` (``not-configured``) when there is none."""
        return self.voices(assistant)[0]

    def transcribers(self, assistant: Configuration) -> list[SpeechToText]:
        """Usable transcribers in the order to try them: the configured one, then those of its fallback plan."""
        return self._usable(
            "transcriber", self._transcribers, assistant, fallback_plan(assistant, "transcriber", "transcribers")
        )

    def models(self, assistant: Configuration) -> list[LanguageModel]:
        """Usable models in the order to try them: the configured one, then ``fallbackModels``."""
        return self._usable("model", self._models, assistant, fallback_models(assistant))

    def voices(self, assistant: Configuration) -> list[TextToSpeech]:
        """Usable voices in the order to try them: the configured one, then those of its fallback plan."""
        return self._usable("voice", self._voices, assistant, fallback_plan(assistant, "voice", "voices"))

    def _usable(
        self,
        stage: Stage,
        factories: Mapping[str, Callable[[Configuration], Provider]],
        assistant: Configuration,
        fallbacks: Iterable[Configuration],
    ) -> list[Provider]:
        """Providers that can be made. The first one's refusal is raised when there are none."""
        usable: list[Provider] = []
        refusal: ProviderError | None = None
        for configuration in (_object(assistant.get(stage)), *fallbacks):
            name = str(configuration.get("provider") or LOCAL)
            try:
                usable.append(_made(stage, name, factories, {**assistant, stage: configuration}))
            except ProviderError as error:
                refusal = refusal or error
        if refusal is not None and not usable:
            raise refusal
        return usable

    def _local_recogniser(self, assistant: Configuration) -> SpeechToText:
        worker = min(self._recogniser_workers, key=lambda candidate: candidate.load)
        _refuse_unavailable(worker, "transcriber")
        recogniser = LocalRecogniser(worker, assistant)
        recogniser.prepare()
        return recogniser

    def _local_voice(self, assistant: Configuration) -> TextToSpeech:
        _refuse_unavailable(self._voice_worker, "voice")
        return LocalVoice(self._voice_worker, voice_settings(assistant["voice"]))


def fallback_plan(assistant: Configuration, stage: Stage, key: str) -> list[Configuration]:
    """The entries of ``<stage>.fallbackPlan.<key>``, each a whole configuration of its own."""
    plan = _object(_object(assistant.get(stage)).get("fallbackPlan"))
    entries = plan.get(key)
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def fallback_models(assistant: Configuration) -> list[Configuration]:
    """``model.fallbackModels`` (names of models of the same provider) as configurations."""
    model = _object(assistant.get("model"))
    names = model.get("fallbackModels")
    return [{**model, "model": name} for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _made(
    stage: Stage, name: str, factories: Mapping[str, Callable[[Configuration], Provider]], assistant: Configuration
) -> Provider:
    factory = factories.get(name)
    if factory is None:
        known = ", ".join(sorted(factories))
        raise ProviderError(
            name, stage, "not-configured", f"this installation has no {stage} provider {name!r}, only: {known}"
        )
    return factory(assistant)


def _refuse_unavailable(worker: WorkerProcess, stage: Stage) -> None:
    if worker.unavailable:
        raise ProviderError(LOCAL, stage, "not-configured", worker.unavailable)


def _object(value: object) -> Configuration:
    return value if isinstance(value, Mapping) else {}
