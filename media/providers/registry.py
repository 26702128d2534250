"""Which provider serves an assistant: a table from Vapi's provider names to factories."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from domain.egress import EgressPolicy
from media.egress.client import HttpClient
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
from media.providers.vendors import Vendors, load_vendors

LOCAL = "vapi"
"""Vapi's own provider name; here it means the providers of this installation. The default of every stage."""

Configuration = Mapping[str, Any]
Provider = TypeVar("Provider")
Factories = Mapping[str, Callable[[Configuration], Provider]]


@runtime_checkable
class Warmed(Protocol):
    """A provider that works sooner when it is told that a call is about to begin."""

    def warm(self) -> None:
        """Open what will be needed; never waits, and leaves failures to whoever needs it then."""


class ProviderRegistry:
    """Owns the speech workers and makes the providers of a call. Start it before use, close it after the last call.

    ``tenant_client`` makes the requests to URLs that tenants configure; it must refuse private addresses itself. It
    stays the caller's to close. ``egress`` says which private networks the WebSockets of tenants may reach."""

    def __init__(
        self, settings: ProviderSettings, tenant_client: HttpClient, egress: EgressPolicy | None = None
    ) -> None:
        self._settings = settings
        self._vendors = Vendors(settings, tenant_client, egress or EgressPolicy())
        self._voice_worker = WorkerProcess("media.providers.local.voice_worker", LOCAL, "voice")
        self._recogniser_workers = [
            WorkerProcess("media.providers.local.recogniser_worker", LOCAL, "transcriber")
            for _ in range(max(settings.recogniser_workers, 1))
        ]
        self._models: Factories[LanguageModel] = _of_section("model", self._vendors.models) | {
            LOCAL: lambda _assistant: GuidedConversation()
        }
        self._transcribers: Factories[SpeechToText] = _of_section("transcriber", self._vendors.transcribers) | {
            LOCAL: self._local_recogniser
        }
        self._voices: Factories[TextToSpeech] = _of_section("voice", self._vendors.voices) | {LOCAL: self._local_voice}

    async def start(self) -> None:
        """Start the speech workers and wait until each can work or has said what this machine lacks."""
        async with asyncio.TaskGroup() as group:
            group.create_task(load_vendors(self._settings))
            if self._settings.local_speech:
                for worker in (self._voice_worker, *self._recogniser_workers):
                    group.create_task(worker.start())

    async def close(self) -> None:
        """End the workers, and with them every recognition and synthesis that still runs, and the connections."""
        for worker in (self._voice_worker, *self._recogniser_workers):
            await worker.close()
        await self._vendors.close()

    @property
    def unavailable(self) -> tuple[str, ...]:
        """What the local providers lack on this machine, each with how to install it; empty when nothing."""
        workers = (self._voice_worker, *self._recogniser_workers[:1])
        return tuple(worker.unavailable for worker in workers if worker.unavailable)

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the living speech workers."""
        workers = (self._voice_worker, *self._recogniser_workers)
        return tuple(worker.pid for worker in workers if worker.pid is not None)

    def transcriber(self, assistant: Configuration) -> SpeechToText:
        """What hears for this assistant. Raises ``ProviderError`` (``not-configured``) where it cannot be used here."""
        return _make("transcriber", self._transcribers, assistant)

    def model(self, assistant: Configuration) -> LanguageModel:
        """What thinks for this assistant; as ``transcriber``."""
        return _make("model", self._models, assistant)

    def voice(self, assistant: Configuration) -> TextToSpeech:
        """What speaks for this assistant; as ``transcriber``."""
        return _make("voice", self._voices, assistant)

    def transcribers(self, assistant: Configuration) -> list[SpeechToText]:
        """Usable transcribers in the order to try them: the configured one, then those of its fallback plan.

        Raises the configured one's ``ProviderError`` when none can be used here."""
        return _usable("transcriber", self.transcriber, assistant, _plan(assistant, "transcriber", "transcribers"))

    def models(self, assistant: Configuration) -> list[LanguageModel]:
        """Usable models: the configured one, then ``fallbackModels``; as ``transcribers``."""
        return _usable("model", self.model, assistant, _fallback_models(assistant))

    def voices(self, assistant: Configuration) -> list[TextToSpeech]:
        """Usable voices: the configured one, then those of its fallback plan; as ``transcribers``."""
        return _usable("voice", self.voice, assistant, _plan(assistant, "voice", "voices"))

    def _local_recogniser(self, assistant: Configuration) -> SpeechToText:
        worker = min(self._recogniser_workers, key=lambda candidate: candidate.load)
        self._refuse_unavailable(worker, "transcriber")
        recogniser = LocalRecogniser(worker, assistant)
        recogniser.prepare()
        return recogniser

    def _local_voice(self, assistant: Configuration) -> TextToSpeech:
        self._refuse_unavailable(self._voice_worker, "voice")
        return LocalVoice(self._voice_worker, voice_settings(_section(assistant, "voice")))

    def _refuse_unavailable(self, worker: WorkerProcess, stage: Stage) -> None:
        missing = worker.unavailable if self._settings.local_speech else "local speech is switched off here"
        if missing:
            raise ProviderError(LOCAL, stage, "not-configured", missing)


def _of_section(stage: Stage, factories: Factories[Provider]) -> dict[str, Callable[[Configuration], Provider]]:
    """Factories that take the assistant, from those that take one stage's section of it."""

    def taking(make: Callable[[Configuration], Provider]) -> Callable[[Configuration], Provider]:
        return lambda assistant: make(_section(assistant, stage))

    return {name: taking(make) for name, make in factories.items()}


def _make(stage: Stage, factories: Factories[Provider], assistant: Configuration) -> Provider:
    name = str(_section(assistant, stage).get("provider") or LOCAL)
    factory = factories.get(name)
    if factory is None:
        detail = f"this installation has no {stage} provider {name!r}, only: {', '.join(sorted(factories))}"
        raise ProviderError(name, stage, "not-configured", detail)
    return factory(assistant)


def _usable(
    stage: Stage,
    make: Callable[[Configuration], Provider],
    assistant: Configuration,
    fallbacks: Iterable[Configuration],
) -> list[Provider]:
    usable: list[Provider] = []
    refusal: ProviderError | None = None
    for configuration in (_section(assistant, stage), *fallbacks):
        try:
            usable.append(make({**assistant, stage: configuration}))
        except ProviderError as error:
            refusal = refusal or error
    if refusal is not None and not usable:
        raise refusal
    if isinstance(usable[0], Warmed):
        usable[0].warm()
    return usable


def _plan(assistant: Configuration, stage: Stage, key: str) -> list[Configuration]:
    """The entries of ``<stage>.fallbackPlan.<key>``, each a whole configuration of its own."""
    plan = _section(assistant, stage).get("fallbackPlan")
    entries = plan.get(key) if isinstance(plan, Mapping) else None
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _fallback_models(assistant: Configuration) -> list[Configuration]:
    """``model.fallbackModels``, names of models of the same provider, as configurations."""
    model = _section(assistant, "model")
    names = model.get("fallbackModels")
    return [{**model, "model": name} for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _section(assistant: Configuration, stage: Stage) -> Configuration:
    section = assistant.get(stage)
    return section if isinstance(section, Mapping) else {}
