"""The vendors' providers by Vapi's names, and what their calls share: clients, sockets, connections kept open.

Adding a provider is one module beside this one, one line in a table here, and one case in the contract suite.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from domain.credentials.own_keys import OwnKey
from domain.egress import EgressPolicy
from media.egress.client import HttpClient
from media.providers.compatible_vendors import COMPATIBLE
from media.providers.errors import ProviderError, Stage
from media.providers.language_model import LanguageModel
from media.providers.settings import ProviderSettings
from media.providers.sockets import Sockets
from media.providers.speech_to_text import SpeechToText
from media.providers.tenant import Tenant
from media.providers.text_to_speech import TextToSpeech

if TYPE_CHECKING:
    import openai

    from media.providers.cartesia_access import CartesiaAccess
    from media.providers.deepgram_access import DeepgramAccess

Section = Mapping[str, Any]
"""The assistant's ``transcriber``, ``model`` or ``voice`` object."""
Shared = TypeVar("Shared")

_MODULES: Final = (
    "media.providers.openai_chat",
    "media.providers.custom_llm",
    "media.providers.deepgram_listen",
    "media.providers.deepgram_flux",
    "media.providers.deepgram_speak",
    "media.providers.cartesia_voice",
    "media.providers.cartesia_listen",
    "media.providers.openai_responses",
    "media.providers.openai_voice",
    "media.providers.openai_listen",
    "media.providers.compatible_models",
    "media.providers.custom_transcriber",
    "media.providers.custom_voice",
)
_MODULES_OF_CONFIGURED: Final = {"anthropic": ("media.providers.anthropic_messages",)}
"""What is so slow to import that only those who use it shall wait for it."""


class Vendors:
    """See the module. Nothing is imported or connected before an assistant asks; close it after the last call."""

    def __init__(self, settings: ProviderSettings, tenant_client: HttpClient, egress: EgressPolicy) -> None:
        self._settings = settings
        self._egress = egress
        self._tenant_client = tenant_client
        self._shared: dict[str, Any] = {}
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self.transcribers: Mapping[str, Callable[[Section], SpeechToText]] = {
            "deepgram": self._deepgram_listen,
            "cartesia": self._cartesia_listen,
            "openai": self._openai_listen,
        }
        self.models: Mapping[str, Callable[[Section], LanguageModel]] = {
            "openai": self._openai_model,
            "anthropic": self._anthropic,
            **{name: partial(self._compatible, name) for name in COMPATIBLE},
        }
        self.voices: Mapping[str, Callable[[Section], TextToSpeech]] = {
            "deepgram": self._deepgram_speak,
            "cartesia": self._cartesia_voice,
            "openai": self._openai_voice,
        }

    async def close(self) -> None:
        """End every connection, what was opened last first."""
        closers = reversed(self._closers)
        self._shared, self._closers = {}, []
        for close in closers:
            await close()

    def _once(self, name: str, make: Callable[[], Shared], close: Callable[[Shared], Awaitable[None]]) -> Shared:
        if name not in self._shared:
            made = self._shared[name] = make()
            self._closers.append(lambda: close(made))
        shared: Shared = self._shared[name]
        return shared

    # Deepgram

    def _deepgram(self, stage: Stage) -> DeepgramAccess:
        from media.providers.deepgram_access import DeepgramAccess

        access = self._settings.vendor("deepgram")
        return self._once("deepgram", lambda: DeepgramAccess(access, stage), DeepgramAccess.close)

    def _deepgram_listen(self, section: Section) -> SpeechToText:
        from media.providers import deepgram_flux, deepgram_listen

        access = self._deepgram("transcriber")
        if str(section.get("model") or "").startswith(deepgram_flux.MODELS):
            return deepgram_flux.DeepgramFlux(access, section)
        return deepgram_listen.DeepgramListen(access, section)

    def _deepgram_speak(self, section: Section) -> TextToSpeech:
        from media.providers.deepgram_speak import DeepgramSpeak, SpeakConnections

        access = self._deepgram("voice")
        connections = self._once("deepgram speak", lambda: SpeakConnections(access), SpeakConnections.close)
        return DeepgramSpeak(connections, section)

    # Cartesia

    def _cartesia(self, stage: Stage) -> CartesiaAccess:
        from media.providers.cartesia_access import CartesiaAccess

        access = self._settings.vendor("cartesia")
        return self._once("cartesia", lambda: CartesiaAccess(access, stage), CartesiaAccess.close)

    def _cartesia_listen(self, section: Section) -> SpeechToText:
        from media.providers.cartesia_listen import CartesiaListen

        return CartesiaListen(self._cartesia("transcriber"), section)

    def _cartesia_voice(self, section: Section) -> TextToSpeech:
        from media.providers.cartesia_line import Lines
        from media.providers.cartesia_voice import CartesiaVoice

        access = self._cartesia("voice")
        return CartesiaVoice(self._once("cartesia lines", lambda: Lines(access), Lines.close), section)

    # OpenAI, and who speaks as it does

    def _openai(self, stage: Stage) -> openai.AsyncOpenAI:
        from media.providers.openai_chat import openai_client

        access = self._settings.vendor("openai")
        return self._once("openai", lambda: openai_client(access, stage=stage), _closed)

    def _openai_model(self, section: Section) -> LanguageModel:
        from media.providers.openai_chat import OpenAiChat
        from media.providers.openai_responses import OpenAiResponses, needs_responses

        client = self._openai("model")
        if needs_responses(str(section.get("model") or "")):
            return OpenAiResponses(client, section)
        return OpenAiChat(client, section)

    def _openai_listen(self, section: Section) -> SpeechToText:
        import openai

        from media.providers.openai_listen import OpenAiListen

        client = self._openai("transcriber")
        return OpenAiListen(client, self._sockets("openai", openai.OpenAIError), section)

    def _openai_voice(self, section: Section) -> TextToSpeech:
        from media.providers.openai_voice import OpenAiVoice

        return OpenAiVoice(self._openai("voice"), section)

    def _compatible(self, name: str, section: Section) -> LanguageModel:
        from media.providers.compatible_models import CompatibleChat
        from media.providers.openai_chat import openai_client

        access, vendor = self._settings.vendor(name), COMPATIBLE[name]
        client = self._once(
            name,
            lambda: openai_client(access, provider=name, variable=vendor.key_variable, own_url=vendor.base_url),
            _closed,
        )
        return CompatibleChat(name, client, section)

    # Anthropic

    def _anthropic(self, section: Section) -> LanguageModel:
        access = self._settings.vendor("anthropic")
        if not access.api_key:  # asked here: importing the SDK alone takes more than a second
            detail = "set ANTHROPIC_API_KEY, or choose another model provider"
            raise ProviderError("anthropic", "model", "not-configured", detail)
        from media.providers.anthropic_messages import AnthropicMessages, anthropic_client

        client = self._once("anthropic", lambda: anthropic_client(access), _closed)
        return AnthropicMessages(client, section)

    # The tenants' own

    def custom_llm(self, tenant: Tenant, own: OwnKey | None, section: Section) -> LanguageModel:
        """The tenant's own model, opened by the organisation's key for it."""
        from media.providers.custom_llm import CustomLlm

        return CustomLlm(self._tenant_client, section, tenant.servers, own)

    def custom_voice(self, tenant: Tenant, section: Section) -> TextToSpeech:
        """The tenant's own voice."""
        from media.providers.custom_voice import CustomVoice

        return CustomVoice(self._tenant_client, section, tenant)

    def custom_transcriber(self, tenant: Tenant, section: Section) -> SpeechToText:
        """The tenant's own transcriber."""
        from media.egress.websocket import GuardedSockets
        from media.providers.custom_transcriber import CustomTranscriber

        # A redirect to another host is refused with a ValueError.
        sockets = self._sockets("custom-transcriber", ValueError)
        return CustomTranscriber(sockets, GuardedSockets(self._egress), section, tenant.servers)

    def _sockets(self, provider: str, *errors: type[Exception]) -> Sockets:
        return self._once(f"{provider} sockets", lambda: Sockets(provider, errors), Sockets.close)


class _Closable(Protocol):
    async def close(self) -> None: ...


async def _closed(client: _Closable) -> None:
    await client.close()


async def load_for(assistant: Mapping[str, Any]) -> None:
    """Import what the assistant's model needs and nobody has needed so far, on a thread: an organisation may bring a
    key of its own for a vendor that the installation has none for."""
    model = assistant.get("model")
    provider = model.get("provider") if isinstance(model, Mapping) else None
    missing = [name for name in _MODULES_OF_CONFIGURED.get(str(provider), ()) if name not in sys.modules]
    if missing:
        await asyncio.to_thread(lambda: [import_module(name) for name in missing])


async def load_vendors(settings: ProviderSettings) -> None:
    """Import what the SDKs bring along, up to seconds of work, on a thread: no call shall wait for it."""
    used = [modules for name, modules in _MODULES_OF_CONFIGURED.items() if settings.vendor(name).api_key]
    await asyncio.to_thread(lambda: [import_module(name) for name in chain(_MODULES, *used)])
