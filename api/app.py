"""The HTTP and WebSocket application: Vapi's paths, and a few of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from api.authentication import KeyRing
from api.configuration.routes import list_routes, resource_routes
from api.context import ApiContext
from api.dependencies import ApiDependencies
from api.documentation import install_openapi, operation_id
from api.head_requests import HeadRequests
from api.models.chat import ChatBody
from api.models.knowledge_base import ATTACHED_FILE, AttachFileBody
from api.models.token import TokenBody
from api.plain_paths import PlainPaths
from api.refusals import LastResort, install
from api.request_identity import HEADER, RequestIdentity
from api.request_log import RequestRecording
from api.resources.campaigns_v2 import CAMPAIGNS_V2
from api.resources.catalogue import RESOURCES
from api.resources.files import FILES
from api.resources.knowledge_bases import KNOWLEDGE_BASES
from api.resources.phone_numbers import PHONE_NUMBER_PAGES
from api.responses import POSITION_HEADER
from api.routes.analytics import analytics_routes
from api.routes.asyncapi import asyncapi_routes
from api.routes.background_sounds import background_sound_routes
from api.routes.boards import board_routes
from api.routes.call_page import call_page_routes
from api.routes.calls import call_routes
from api.routes.campaign_contacts import campaign_contact_routes
from api.routes.chats import CHAT_SHOWS, chat_routes
from api.routes.downloads import download_routes
from api.routes.events import event_routes
from api.routes.files import file_routes
from api.routes.forwarded import forwarded_routes
from api.routes.health import health_routes
from api.routes.insights import insight_routes
from api.routes.knowledge_bases import knowledge_base_file_routes, knowledge_base_routes
from api.routes.live import live_routes
from api.routes.live_figures import live_figure_routes
from api.routes.metrics import metrics_routes
from api.routes.operator import operator_routes
from api.routes.organization import organization_routes
from api.routes.simulation_extras import simulation_extra_routes
from api.routes.tokens import token_routes
from api.routes.traffic_allocations import traffic_allocation_routes
from api.routes.unbuilt import unbuilt_routes
from api.routes.web_calls import web_call_routes
from api.routes.webhooks import operator_webhook_routes, webhook_routes

_DESCRIPTION: Final = """
Voice-AI calls on an event log, with Vapi's wire format: official SDKs work by base URL only.

Send the organization's private key as `Authorization: Bearer <key>`. Every answer names its request
(`X-Request-ID`); answers to reads and writes name the position of the log that they reflect (`x-callfold-position`),
and sending that header back makes sure that a read sees it.

A `POST` with an `Idempotency-Key` can be sent again without making a second object. Answers carry the object's version
as `ETag`; with `If-Match` a change is made only to the version that was seen. Every configuration can be read as it was
(`?at=` a version, a position or a time), tells who changed what (`/versions`, `/events`), and can be restored.
"""


Routes = Callable[[ApiContext], APIRouter]

EVERYTHING: Final[Sequence[Routes]] = (
    # Before the resources, whose paths with parameters would match some of these too.
    unbuilt_routes,
    simulation_extra_routes,
    *(resource_routes(resource) for resource in RESOURCES),
    list_routes(PHONE_NUMBER_PAGES),
    resource_routes(CAMPAIGNS_V2),
    campaign_contact_routes,
    token_routes,
    organization_routes,
    file_routes,
    knowledge_base_routes,
    knowledge_base_file_routes,
    background_sound_routes,
    traffic_allocation_routes,
    call_routes,
    chat_routes,
    download_routes,
    event_routes,
    analytics_routes,
    insight_routes,
    board_routes,
    live_figure_routes,
    webhook_routes,
    operator_webhook_routes,
    asyncapi_routes,
    health_routes,
    metrics_routes,
    operator_routes,
    forwarded_routes,
    live_routes,
    web_call_routes,
    call_page_routes,
)
CALLS_ONLY: Final[Sequence[Routes]] = (health_routes, metrics_routes, forwarded_routes, live_routes, web_call_routes)
"""What a process needs that only serves calls: their sound, their control, and a word on its health."""

UPKEEP_ONLY: Final[Sequence[Routes]] = (health_routes, metrics_routes, operator_routes)
"""What a process needs that answers about itself: its health, its figures, and the upkeep of what it fills."""


def create_app(dependencies: ApiDependencies, routes: Sequence[Routes] = EVERYTHING) -> FastAPI:
    """The application over these ports. It starts and closes none of them: that is the caller's business."""
    app = FastAPIOffline(
        redoc_url=None,
        title="callfold",
        version=dependencies.settings.version,
        description=_DESCRIPTION,
        generate_unique_id_function=operation_id,
        swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
    )
    closing = asyncio.Event()
    app.state.closing = closing
    ring = KeyRing(dependencies.documents, dependencies.clock, dependencies.settings.signing_secret)
    context = ApiContext(dependencies, ring, closing)
    install(app)
    for part in routes:
        app.include_router(part(context))
    shown = {resource.body: dict(resource.shows) for resource in (*RESOURCES, FILES, KNOWLEDGE_BASES)}
    install_openapi(
        app,
        {**shown, TokenBody: {"value": {"type": "string"}}, ChatBody: dict(CHAT_SHOWS), AttachFileBody: ATTACHED_FILE},
    )
    app.add_middleware(LastResort)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=[HEADER, POSITION_HEADER, "etag", "location", "retry-after", "ratelimit", "ratelimit-policy"],
        max_age=86_400,
    )
    app.add_middleware(HeadRequests)
    app.add_middleware(PlainPaths)
    app.add_middleware(RequestRecording, log=context.requests, clock=dependencies.clock)
    app.add_middleware(RequestIdentity, new_id=dependencies.new_id)
    return app


def end_streams(app: FastAPI) -> None:
    """End the event streams that are open. Call it on the application's loop before its server stops.

    A server waits for open answers, and these have no end of their own.
    """
    closing: asyncio.Event = app.state.closing
    closing.set()
