"""The HTTP application put together over opened parts, for a running system and for a stopped one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import Scope

from api.app import EVERYTHING, Routes, create_app
from api.dependencies import ApiDependencies, ApiLimits, ApiSettings
from domain.chats import Chats
from domain.knowledge.search import Knowledge, NoKnowledge
from domain.live_calls import LiveCalls
from domain.sealing import NoSeal, Seal
from domain.sound_links import SoundLinks
from domain.web_calls import WebCalls
from infra.data_folder import DataFolder
from infra.identifiers import now, random_id, time_ordered_id
from infra.live import Live
from infra.metrics import Metrics
from infra.projecting import ClosedAnalytics, Projecting
from infra.settings import Settings
from infra.storage import Storage
from infra.upkeep import Held, Upkeep
from infra.webhooks import Webhooks


@dataclass(slots=True)
class Gate:
    """Whether new work is taken: ``closed_because`` says why not, ``troubles`` why it may be refused all the same."""

    closed_because: str = "the server is starting"
    troubles: list[Callable[[], str]] = field(default_factory=list)

    def readiness(self) -> tuple[bool, str]:
        """As ``ApiDependencies.readiness``."""
        return not self.closed_because, self.closed_because or "ready"

    def trouble(self) -> str:
        """As ``ApiDependencies.trouble``: the first one that there is."""
        return next(filter(None, (trouble() for trouble in self.troubles)), "")


def application(
    storage: Storage,
    projecting: Projecting | None,
    live_calls: LiveCalls,
    gate: Gate,
    *,
    public_url: str,
    secret: bytes,
    operator_token: str,
    media_url: str = "",
    own_calls: LiveCalls | None = None,
    web_calls: WebCalls | None = None,
    own_web_calls: WebCalls | None = None,
    chats: Chats | None = None,
    sound_links: SoundLinks | None = None,
    routes: Sequence[Routes] = EVERYTHING,
    limits: ApiLimits | None = None,
    knowledge: Knowledge | None = None,
    live: Live | None = None,
    metrics: Metrics | None = None,
    metrics_token: str | None = None,
    webhooks: Webhooks | None = None,
    seal: Seal | None = None,
    held: Sequence[Held] = (),
) -> FastAPI:
    """Without ``projecting`` questions to the tables are refused and their upkeep is not there.

    ``live_calls`` are those of the whole installation, ``own_calls`` those that this process serves,
    ``web_calls`` and ``own_web_calls`` those of them that browsers hold,
    ``chats`` are held by this process too. ``held`` are dead letters beside those of the parts.
    """
    log = storage.log
    maintenance = projecting.maintenance if projecting else None
    held = (*held, *(live.held if live else ()), *(webhooks.held if webhooks else ()))
    return create_app(
        ApiDependencies(
            commands=metrics.timed(log) if metrics else log,
            documents=log,
            log=log,
            live_calls=live_calls,
            analytics=projecting.analytics if projecting else ClosedAnalytics(),
            artifacts=storage.artifacts,
            settings=ApiSettings(
                public_url=public_url,
                signing_secret=secret,
                version=version("callfold"),
                operator_token=operator_token,
                media_url=media_url,
                limits=limits or ApiLimits(),
                metrics_token=metrics_token,
            ),
            clock=now,
            new_id=random_id,
            new_call_id=time_ordered_id,
            random_bytes=os.urandom,
            fragments=storage.fragments,
            maintenance=Upkeep(maintenance, held) if held else maintenance,
            readiness=gate.readiness,
            trouble=gate.trouble,
            own_calls=own_calls,
            web_calls=web_calls,
            own_web_calls=own_web_calls,
            chats=chats,
            sound_links=sound_links,
            shards=storage.shards,
            knowledge=knowledge or NoKnowledge(),
            seal=seal or NoSeal(),
            live_figures=live.figures if live else None,
            metrics=metrics.exposition if metrics else None,
            deliveries=webhooks.deliveries if webhooks else None,
        ),
        routes,
    )


def api_limits(settings: Settings) -> ApiLimits:
    """What one organisation may ask for of this process."""
    return ApiLimits(
        private_requests_per_minute=settings.private_requests_per_minute,
        public_requests_per_minute=settings.public_requests_per_minute,
        organization_calls=settings.organization_calls,
        upload_bytes=settings.upload_mb * 1024 * 1024,
        organization_files=settings.organization_files,
        organization_file_bytes=settings.organization_file_mb * 1024 * 1024,
    )


def build_routes(app: FastAPI) -> None:
    """Build every route now. FastAPI would do so when the first request looks for one, which takes a tenth of a second
    in all: too long a pause for calls that run."""
    nowhere: Scope = {
        "type": "http",
        "method": "GET",
        "path": "/nowhere",
        "root_path": "",
        "headers": [],
        "query_string": b"",
        "app": app,
    }
    for route in app.router.routes:
        route.matches(dict(nowhere))


def signing_secret(settings: Settings, folder: DataFolder) -> bytes:
    """The configured secret, else the folder's own."""
    return settings.secret.get_secret_value().encode() if settings.secret else folder.secret()
