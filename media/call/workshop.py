"""What every call of a process is put together from, and what is done once before the first one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

from domain.call.resolution import resolve_assistant
from domain.call.variables import CallFacts
from domain.egress import EgressPolicy
from domain.log.ports import Documents, EventLog
from media.audio.voice_activity import Detector
from media.call.conversation import MachineConversation
from media.call.outbox import Outbox
from media.call.parts import Conversation
from media.call.providers import Providers
from media.call.settings import MediaSettings
from media.call.sounds import SoundShelf
from media.call.stagehands import Toolbox
from media.call.tenancy import TenantPorts
from media.call.turnstile import Turnstile
from media.call.voice_runner import VoiceCache
from media.egress.client import guarded_client
from media.machine.plan import CallPlan
from media.providers.errors import ProviderError


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """``log`` is where past versions of configurations are found; ``tenants`` is what there is of every tenant's;
    ``files`` is the thread that opens recordings, ``turnstile`` where all calls come and go."""

    documents: Documents
    log: EventLog | None
    providers: Providers
    toolbox: Toolbox
    tenants: TenantPorts
    ended_reason: Callable[[ProviderError], str]
    conversation: Callable[[CallPlan], Conversation]
    detector: Callable[[], Detector]
    outbox: Outbox
    voice_cache: VoiceCache
    sounds: SoundShelf
    files: Executor
    turnstile: Turnstile
    settings: MediaSettings
    price_table: str


def warm_up(workshop: Workshop, egress: EgressPolicy, now: datetime) -> None:
    """Do once what the first call would be late by: load the detector, the templates, the machine, the certificates.

    Blocking, some tens of milliseconds.
    """
    facts = CallFacts(call_id="", type="", started_at=now, assistant_id=None, customer={}, transport={})
    config = {"firstMessage": "{{ now }}", "model": {"messages": [{"role": "system", "content": "{{ date }}"}]}}
    resolved = resolve_assistant(config, None, facts, now)
    MachineConversation(CallPlan.from_assistant(resolved.config)).begin(0.0)
    workshop.detector()
    guarded_client(egress, timeout_s=workshop.settings.tool_timeout_s)
