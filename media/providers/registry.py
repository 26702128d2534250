"""Which provider serves an assistant: a table from Vapi's provider names to factories."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, Protocol, TypeVar, runtime_checkable

from domain.credentials.own_keys import OwnKey
from domain.egress import EgressPolicy
from domain.sealing import SealBroken
from domain.server_messages.access import InlineAccess
from media.egress.client import HttpClient
from media.providers.errors import ProviderError, Stage
from media.providers.language_model import LanguageModel
from media.providers.local.dialogue.model import GuidedConversation
from media.providers.local.recogniser import LocalRecogniser
from media.providers.local.voice import LocalVoice
from media.providers.local.voices import voice_settings
from media.providers.local.worker import WorkerProcess
from media.providers.own_accounts import OwnAccounts
from media.providers.settings import ProviderSettings
from media.providers.speech_to_text import SpeechToText
from media.providers.tenant import Tenant
from media.providers.text_to_speech import TextToSpeech
from media.providers.vendors import Vendors, load_vendors
from media.tools.tenant_servers import TenantServers

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
        self._tenant_client = tenant_client
        self._egress = egress or EgressPolicy()
        self._vendors = self._made(settings)
        self._own_accounts = OwnAccounts(self._made, settings, monotonic)
        self._nobody = Tenant(TenantServers(tenant_client, InlineAccess(), org_id="", about="", now=_now))
        self._voice_worker = WorkerProcess("media.providers.local.voice_worker", LOCAL, "voice")
        self._recogniser_workers = [
            WorkerProcess("media.providers.local.recogniser_worker", LOCAL, "transcriber")
            for _ in range(max(settings.recogniser_workers, 1))
        ]

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
        await self._own_accounts.close()
        await self._vendors.close()

    def of(self, tenant: Tenant) -> TenantProviders:
        """The providers for one conversation of a tenant; what it holds is given back with ``tenant.release()``."""
        return TenantProviders(self, tenant)

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

    def transcriber(self, assistant: Configuration, tenant: Tenant | None = None) -> SpeechToText:
        """What hears for this assistant. Raises ``ProviderError`` (``not-configured``) where it cannot be used here."""
        vendors, whose, _ = self._vendors_of(tenant, assistant)
        sections: Factories[SpeechToText] = {
            **vendors.transcribers,
            "custom-transcriber": partial(vendors.custom_transcriber, whose),
        }
        own: Factories[SpeechToText] = {LOCAL: self._local_recogniser}
        return _make("transcriber", {**_of_section("transcriber", sections), **own}, assistant)

    def model(self, assistant: Configuration, tenant: Tenant | None = None) -> LanguageModel:
        """What thinks for this assistant; as ``transcriber``."""
        vendors, whose, keys = self._vendors_of(tenant, assistant)
        sections: Factories[LanguageModel] = {
            **vendors.models,
            "custom-llm": partial(vendors.custom_llm, whose, keys.get("custom-llm")),
        }
        own: Factories[LanguageModel] = {LOCAL: lambda _assistant: GuidedConversation()}
        return _make("model", {**_of_section("model", sections), **own}, assistant)

    def voice(self, assistant: Configuration, tenant: Tenant | None = None) -> TextToSpeech:
        """What speaks for this assistant; as ``transcriber``."""
        vendors, whose, _ = self._vendors_of(tenant, assistant)
        sections: Factories[TextToSpeech] = {**vendors.voices, "custom-voice": partial(vendors.custom_voice, whose)}
        own: Factories[TextToSpeech] = {LOCAL: self._local_voice}
        return _make("voice", {**_of_section("voice", sections), **own}, assistant)

    def transcribers(self, assistant: Configuration, tenant: Tenant | None = None) -> list[SpeechToText]:
        """Usable transcribers in the order to try them: the configured one, then those of its fallback plan.

        Raises the configured one's ``ProviderError`` when none can be used here."""
        make = partial(self.transcriber, tenant=tenant)
        return _usable("transcriber", make, assistant, _plan(assistant, "transcriber", "transcribers"))

    def models(self, assistant: Configuration, tenant: Tenant | None = None) -> list[LanguageModel]:
        """Usable models: the configured one, then ``fallbackModels``; as ``transcribers``."""
        return _usable("model", partial(self.model, tenant=tenant), assistant, _fallback_models(assistant))

    def voices(self, assistant: Configuration, tenant: Tenant | None = None) -> list[TextToSpeech]:
        """Usable voices: the configured one, then those of its fallback plan; as ``transcribers``."""
        return _usable("voice", partial(self.voice, tenant=tenant), assistant, _plan(assistant, "voice", "voices"))

    def _made(self, settings: ProviderSettings) -> Vendors:
        return Vendors(settings, self._tenant_client, self._egress)

    def _vendors_of(
        self, tenant: Tenant | None, assistant: Configuration
    ) -> tuple[Vendors, Tenant, Mapping[str, OwnKey]]:
        """The installation's clients, or those of the organisation's own accounts where it has any."""
        if tenant is None:
            return self._vendors, self._nobody, {}
        try:
            keys = tenant.keys(assistant)
        except SealBroken as broken:
            raise ProviderError("credentials", "model", "not-configured", str(broken)) from broken
        if not any(key.api_key for name, key in keys.items() if name != "custom-llm"):
            return self._vendors, tenant, keys
        vendors, give_back = self._own_accounts.lease(keys)
        tenant.leases.append(give_back)
        return vendors, tenant, keys

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
    section = _section(assistant, stage)
    plan = section.get("fallbackPlan")
    entries = plan.get(key) if isinstance(plan, Mapping) else None
    listed = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    return [*listed, {"provider": LOCAL}] if _finds_others(section, plan) else listed


def _finds_others(section: Configuration, plan: Any) -> bool:
    """Whether ``autoFallback`` wants somebody found after those that are listed. That is who needs nobody, and knows
    English only."""
    automatic = plan.get("autoFallback") if isinstance(plan, Mapping) else None
    language = str(section.get("language") or "en")
    return (
        isinstance(automatic, Mapping)
        and automatic.get("enabled") is True
        and language.lower().startswith(("en", "multi"))
    )


def _fallback_models(assistant: Configuration) -> list[Configuration]:
    """``model.fallbackModels``, names of models of the same provider, as configurations."""
    model = _section(assistant, "model")
    names = model.get("fallbackModels")
    return [{**model, "model": name} for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _section(assistant: Configuration, stage: Stage) -> Configuration:
    section = assistant.get(stage)
    return section if isinstance(section, Mapping) else {}


def _now() -> datetime:
    return datetime.now(UTC)


class TenantProviders:
    """The registry as one conversation of a tenant uses it."""

    def __init__(self, registry: ProviderRegistry, tenant: Tenant) -> None:
        self._registry = registry
        self._tenant = tenant

    def transcribers(self, assistant: Configuration) -> list[SpeechToText]:
        """As ``ProviderRegistry.transcribers``."""
        return self._registry.transcribers(assistant, self._tenant)

    def models(self, assistant: Configuration) -> list[LanguageModel]:
        """As ``ProviderRegistry.models``."""
        return self._registry.models(assistant, self._tenant)

    def voices(self, assistant: Configuration) -> list[TextToSpeech]:
        """As ``ProviderRegistry.voices``."""
        return self._registry.voices(assistant, self._tenant)
