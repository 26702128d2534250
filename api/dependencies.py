"""What the API is built from: ports of the domain and settings, handed in by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.analytics import Analytics
from domain.artifacts import ArtifactStore
from domain.chats import Chats
from domain.fragments import FragmentLog
from domain.knowledge.search import Knowledge, NoKnowledge
from domain.live_calls import LiveCalls
from domain.live_figures import LiveFigures
from domain.log.ports import Clock, Commands, Documents, EventLog, IdSource
from domain.sealing import NoSeal, Seal
from domain.sound_links import SoundLinks
from domain.web_calls import WebCalls
from domain.webhook.deliveries import Deliveries


@dataclass(frozen=True)
class ApiLimits:
    """Bounds on what one request may take, in bytes or seconds, and on what one organisation may ask for, unless it has
    limits of its own."""

    body_bytes: int = 4 * 1024 * 1024
    websocket_message_bytes: int = 1024 * 1024
    download_link_seconds: int = 900
    position_wait_seconds: float = 2.0
    events_per_page: int = 1_000
    private_requests_per_minute: int = 30_000
    public_requests_per_minute: int = 3_000
    """How many requests an organisation may send with each kind of key; 0 for no limit."""
    organization_calls: int = 100
    """How many calls of one organisation may wait or run at the same time."""
    upload_bytes: int = 100 * 1024 * 1024
    organization_files: int = 1_000
    organization_file_bytes: int = 5_000 * 1024 * 1024
    """Uploads that an organisation may keep, and what they may take together."""
    knowledge_base_files: int = 200
    heartbeat_seconds: float = 15.0
    """How often a silent event stream sends a comment, so that proxies keep it open."""


@dataclass(frozen=True)
class ApiSettings:
    """``public_url`` is the base of every absolute URL we hand out (a callable where the port is known only after
    start); ``signing_secret`` (16 bytes or more) signs call and download URLs; without ``operator_token`` the
    operator routes do not exist. ``media_url`` is the base of the URLs of a call's sound and control, where that is not
    the public one."""

    public_url: str | Callable[[], str]
    signing_secret: bytes
    version: str
    operator_token: str | None = None
    limits: ApiLimits = field(default_factory=ApiLimits)
    media_url: str = ""
    metrics_token: str | None = None
    """Opens ``/metrics`` beside the operator's."""

    def base_url(self) -> str:
        """The public base without a final slash."""
        url = self.public_url if isinstance(self.public_url, str) else self.public_url()
        return url.rstrip("/")

    def media_base_url(self) -> str:
        """The base of call, listen and control URLs, without a final slash."""
        return self.media_url.rstrip("/") or self.base_url()

    def websocket_base_url(self) -> str:
        """The same with ``ws`` for ``http`` and ``wss`` for ``https``."""
        scheme, separator, rest = self.media_base_url().partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}{separator}{rest}"


class Maintenance(Protocol):
    """What an operator may have done to the derived data of this node. Answers are JSON objects."""

    async def rebuild(
        self, projection: str | None, version: int | None = None, *, keep_replaced: bool = True
    ) -> dict[str, Any]:
        """Make one projection, or all, again from position 0, and say whether it equals what was there."""

    async def rebuild_progress(self) -> dict[str, Any]:
        """How far the rebuild is that runs."""

    async def drop_replaced(self) -> dict[str, Any]:
        """Drop what rebuilds have replaced."""

    async def tables(self) -> dict[str, Any]:
        """How far the derived data is behind, in events and seconds."""

    async def dead_letters(self) -> list[dict[str, Any]]:
        """Events whose processor failed, and those held behind them."""

    async def retry_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        """Give an originator's held events to the processor again, in order."""

    async def drop_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        """Give up on an originator's held events."""


def one_shard() -> Sequence[int]:
    """A log in one file."""
    return (0,)


def always_ready() -> tuple[bool, str]:
    """A node that has nothing to wait for."""
    return True, "ready"


def no_trouble() -> str:
    """A node on which everything works."""
    return ""


@dataclass(frozen=True)
class ApiDependencies:
    """Everything a request may touch. ``fragments`` may be missing where no media is kept on this node.

    ``new_id`` makes random ids (assistants, keys' ids, requests), ``new_call_id`` time-ordered ones,
    ``random_bytes`` that many unguessable bytes. ``readiness`` tells whether new work is taken, and a sentence why
    not; ``trouble`` why it may be refused all the same. Without ``maintenance`` the operator routes for rebuilding and
    dead letters answer 501. ``live_calls`` may ask other processes, ``own_calls`` are those served here, for requests
    that others forward; ``chats`` are held here. ``shards`` are those of the log.
    """

    commands: Commands
    documents: Documents
    log: EventLog
    live_calls: LiveCalls
    analytics: Analytics
    artifacts: ArtifactStore
    settings: ApiSettings
    clock: Clock
    new_id: IdSource
    new_call_id: IdSource
    random_bytes: Callable[[int], bytes]
    fragments: FragmentLog | None = None
    maintenance: Maintenance | None = None
    readiness: Callable[[], tuple[bool, str]] = always_ready
    trouble: Callable[[], str] = no_trouble
    own_calls: LiveCalls | None = None
    web_calls: WebCalls | None = None
    """Where browsers connect; without it they are told that calls are served elsewhere."""
    own_web_calls: WebCalls | None = None
    """The same without asking other processes."""
    chats: Chats | None = None
    sound_links: SoundLinks | None = None
    shards: Callable[[], Sequence[int]] = one_shard
    knowledge: Knowledge = field(default_factory=NoKnowledge)
    seal: Seal = field(default_factory=NoSeal)
    """What secrets are kept under."""
    live_figures: LiveFigures | None = None
    metrics: Callable[[], bytes] | None = None
    """What ``/metrics`` answers; it may block."""
    deliveries: Deliveries | None = None
    """Where this node delivers messages to tenants' servers."""

    def health(self) -> tuple[bool, str]:
        """Whether requests should be sent here, and a sentence why not."""
        taken, reason = self.readiness()
        trouble = self.trouble() if taken else ""
        return taken and not trouble, trouble or reason
