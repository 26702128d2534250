"""Calls on the organisation's own accounts: its stored keys, those of the assistant, and nobody else's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from domain.call.events import CallEnded
from domain.configuration.commands import CreateConfiguration
from domain.configuration.kinds import CONFIGURATIONS
from domain.credentials.own_keys import OwnKey, OwnKeys
from domain.live_calls import CallRejected
from domain.sealing import NoSeal, opening, sealed
from infra.sealing import KeyedSeal
from media.call.tenancy import TenantPorts
from media.providers.errors import ProviderError
from media.providers.own_accounts import OwnAccounts, with_own
from media.providers.registry import ProviderRegistry
from media.providers.settings import ProviderSettings, VendorAccess
from tests.contracts.provider_cases import registry_of
from tests.patience import PATIENCE_S
from tests.simulators.cartesia_server import CartesiaServer
from tests.simulators.deepgram_server import DeepgramServer
from tests.simulators.openai_platform_server import OpenAiPlatformServer
from tests.simulators.vendor_server import KEY
from tests.unit.media.call.rig import ORG, Rig, ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import dial, of, texts
from tests.unit.media.call.test_vendor_calls import assistant

ASKS, SAYS = "what are your hours", "From nine to five."
OWN = ("deepgram", "openai", "cartesia")
NO_VOICE = "pipeline-error-cartesia-voice-failed"
SEAL = KeyedSeal(["k" * 32])


@asynccontextmanager
async def calls(root: Path, key: str = "", seal: Any = SEAL) -> AsyncIterator[tuple[Rig, ProviderRegistry]]:
    """An installation whose own key for every vendor is ``key``."""
    async with (
        DeepgramServer([ASKS]) as deepgram,
        OpenAiPlatformServer((), says=SAYS) as openai,
        CartesiaServer() as cartesia,
        registry_of(
            {"deepgram": deepgram.base_url, "openai": openai.base_url, "cartesia": cartesia.base_url}, key=key
        ) as registry,
    ):
        ports: dict[str, TenantPorts] = {}
        async with media_rig(
            root,
            cast(ScriptedProviders, registry),
            tenants=TenantPorts(keys=lambda org, config: ports["now"].keys(org, config)),
        ) as rig:
            ports["now"] = TenantPorts(keys=OwnKeys(rig.log, opening(seal)).of)
            yield rig, registry


async def stored(rig: Rig, provider: str, key: str = KEY, **more: Any) -> str:
    return await rig.store("credential", sealed({"provider": provider, "apiKey": key, **more}, ORG, SEAL, "credential"))


async def held(rig: Rig, config: Mapping[str, Any]) -> list[Any]:
    caller = await dial(rig, dict(config))
    await caller.until_said(1)
    await caller.speak(400, 600)
    await caller.until_said(2)
    return await caller.hang_up()


async def refused(rig: Rig, config: Mapping[str, Any]) -> str:
    caller = await dial(rig, dict(config))
    with pytest.raises(CallRejected):
        await caller.serving
    (ended,) = of(rig.events(caller.call_id), CallEnded)
    return str(ended.reason)


async def test_stored_keys_open_the_vendors_and_show_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with calls(tmp_path) as (rig, registry):
        for provider in OWN:
            await stored(rig, provider)
        events = await held(rig, assistant())
        assert texts(events, "assistant")[1:] == [SAYS]
        assert KEY not in caplog.text
        assert KEY not in str(events)
        assert KEY.encode() not in (tmp_path / "log.db").read_bytes()
        assert KEY not in repr(vars(registry))


async def test_inline_keys_stand_before_stored_ones(tmp_path: Path) -> None:
    async with calls(tmp_path) as (rig, _):
        for provider in OWN:
            await stored(rig, provider, "sk-outdated")
        inline = sealed({"credentials": [{"provider": name, "apiKey": KEY} for name in OWN]}, ORG, SEAL)
        events = await held(rig, assistant(**inline))
        assert texts(events, "assistant")[1:] == [SAYS]
        assert KEY not in str(events)


async def test_an_assistant_uses_only_the_credentials_that_it_names(tmp_path: Path) -> None:
    async with calls(tmp_path) as (rig, _):
        ids = [await stored(rig, provider) for provider in OWN]
        assert await refused(rig, assistant(credentialIds=ids[:1])) == NO_VOICE
        events = await held(rig, assistant(credentialIds=ids))
        assert texts(events, "assistant")[1:] == [SAYS]


async def test_keys_of_another_organization_open_nothing(tmp_path: Path) -> None:
    async with calls(tmp_path) as (rig, _):
        for provider in OWN:
            command = CreateConfiguration(org_id="another", config={"provider": provider, "apiKey": KEY})
            await rig.log.execute(CONFIGURATIONS["credential"], rig.new_id(), command)
        assert await refused(rig, assistant()) == NO_VOICE


async def test_what_is_sealed_with_a_key_that_is_gone_is_said_so(tmp_path: Path) -> None:
    async with calls(tmp_path, seal=NoSeal()) as (rig, _):
        await stored(rig, "openai")
        caller = await dial(rig, assistant())
        with pytest.raises(CallRejected):
            await caller.serving
        (ended,) = of(rig.events(caller.call_id), CallEnded)
    assert "set CALLFOLD_SECRET_KEY" in str(ended.message)


class Clients:
    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self.closed = asyncio.Event()

    async def close(self) -> None:
        self.closed.set()


async def test_clients_are_shared_by_who_has_the_same_keys_and_closed_when_nobody_has_called_for_a_while() -> None:
    now = [0.0]
    accounts = OwnAccounts(
        Clients, ProviderSettings({"openai": VendorAccess("sk-ours", "http://gateway")}), lambda: now[0]
    )
    first, give_back_first = accounts.lease({"openai": OwnKey("sk-1")})
    again, give_back_again = accounts.lease({"openai": OwnKey("sk-1")})
    other, give_back_other = accounts.lease({"openai": OwnKey("sk-2")})
    assert first is again
    assert first is not other
    assert first.settings.vendor("openai") == VendorAccess("sk-1", "http://gateway")
    give_back_first()
    now[0] = 1_000.0
    give_back_other()
    assert not first.closed.is_set()
    give_back_again()
    now[0] = 2_000.0
    kept, give_back = accounts.lease({"openai": OwnKey("sk-3")})
    give_back()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(first.closed.wait(), other.closed.wait())
    assert not kept.closed.is_set()
    await accounts.close()
    assert kept.closed.is_set()


@pytest.mark.parametrize(
    ("provider", "url", "followed"),
    [
        ("deepgram", "https://api.eu.deepgram.com", True),
        ("deepgram", "http://api.eu.deepgram.com", False),
        ("deepgram", "https://deepgram.com.evil.example", False),
        ("deepgram", "https://127.0.0.1", False),
        ("openai", "https://api.openai.com", False),
    ],
)
def test_an_address_of_a_credential_is_followed_only_to_the_vendors_own(
    provider: str, url: str, followed: bool
) -> None:
    own = {provider: OwnKey("sk-1", url)}
    if followed:
        assert with_own(ProviderSettings(), own).vendor(provider) == VendorAccess("sk-1", url)
        return
    with pytest.raises(ProviderError, match="not one of the vendor's own https addresses") as caught:
        with_own(ProviderSettings(), own)
    assert "sk-1" not in str(caught.value)
