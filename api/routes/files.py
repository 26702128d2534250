"""``/file``: uploads into the artifact store, and what was uploaded."""

from __future__ import annotations

import logging
from typing import Any, Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import check
from api.byte_ranges import bytes_response, requested_range
from api.configuration.routes import Views, add_objects
from api.context import ApiContext
from api.creation import create_once
from api.documentation import describe
from api.errors import Issue, Problem, invalid, not_found
from api.idempotency import creation_ids
from api.models.file import LARGEST_METADATA, UPLOAD_SCHEMA, FileBody
from api.resources.files import FILES
from api.uploads import Upload, received
from domain.configuration.commands import CreateConfiguration
from domain.configuration.state import Configuration
from domain.foreign_json import UnreadableJson, read_json

LOGGER: Final = logging.getLogger("callfold.api")
_NAME_CHARACTERS: Final = 40
_STORED_AS: Final = "file"


def file_routes(context: ApiContext) -> APIRouter:
    """Upload, list, read, rename, delete, download."""
    router = APIRouter(tags=[FILES.tag])
    artifacts, documents = context.dependencies.artifacts, context.dependencies.documents
    view = Views(FILES, context).body

    async def clean_up(state: Configuration) -> None:
        # The deletion is recorded: an answer that it failed would be wrong, and its retry would find nothing.
        try:
            await run_in_threadpool(artifacts.delete, state.config["location"])
        except OSError as fault:
            LOGGER.error("file.bytes_left file=%s reason=%s", state.id, fault.strerror)

    add_objects(router, context, FILES, clean_up)

    @router.post("/file", summary="Upload a file", **describe(upload=UPLOAD_SCHEMA, status=201, returns=FileBody))
    async def upload(request: Request) -> Response:
        principal = await context.caller(request)
        ids = creation_ids(request, principal.org_id, context.dependencies.new_id)
        async with received(request) as sent:
            config = _described(sent)
            check(FileBody, config)
            stored = await run_in_threadpool(artifacts.put, ids.object_id, _STORED_AS, sent.path, sent.content_type)
        config |= {"location": stored.location, "sha256": stored.sha256}

        def command() -> CreateConfiguration:
            return CreateConfiguration(org_id=principal.org_id, config=config, actor=principal.key_id)

        try:
            answer = await create_once(
                context, principal, FILES.aggregate, ids, sent=config, sent_as="config", command=command, body=view
            )
        except Exception:
            kept = documents.get(FILES.kind, ids.object_id)
            if kept is None or kept.state.config["location"] != stored.location:
                await run_in_threadpool(artifacts.delete, stored.location)
            raise
        answer.headers["warning"] = f'299 - "{FILES.warning}"'
        return answer

    @router.get("/file/{id}/content", summary="Download a file", **describe())
    async def content(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        document = documents.get(FILES.kind, id, org_id=principal.org_id)
        if document is None:
            raise not_found(FILES.label, id)
        config: dict[str, Any] = document.state.config
        span = requested_range(request.headers.get("range"), config["bytes"])
        try:
            stream = await run_in_threadpool(artifacts.open, config["location"])
        except FileNotFoundError:
            raise Problem(
                404, "The stored file is gone.", detail="Ask the operator of this server.", code="NOT_FOUND"
            ) from None
        headers = {
            "etag": f'"{config["sha256"]}"',
            # What tenants upload is never shown as a page of ours.
            "content-disposition": "attachment",
            "x-content-type-options": "nosniff",
        }
        return bytes_response(
            stream, size=config["bytes"], media_type="application/octet-stream", span=span, headers=headers
        )

    return router


def _described(sent: Upload) -> dict[str, Any]:
    """What is kept of the upload beside its bytes. Raises ``Problem`` 400."""
    unknown = [name for name in sent.texts if name not in {"purpose", "metadata"}]
    if unknown:
        raise invalid(
            [Issue("FIELD_NOT_ALLOWED", f"property {name} should not exist", f"/body/{name}") for name in unknown]
        )
    config: dict[str, Any] = {
        "name": sent.name[:_NAME_CHARACTERS],
        "originalName": sent.name,
        "bytes": sent.size_bytes,
        "mimetype": sent.content_type,
    }
    if "purpose" in sent.texts:
        config["purpose"] = sent.texts["purpose"]
    if "metadata" in sent.texts:
        config["metadata"] = _metadata(sent.texts["metadata"])
    return config


def _metadata(text: str) -> Any:
    pointer = "/body/metadata"
    if len(text) > LARGEST_METADATA:
        rule = f"metadata must be shorter than or equal to {LARGEST_METADATA} characters"
        raise invalid([Issue("OUT_OF_RANGE", rule, pointer)])
    try:
        return read_json(text)
    except UnreadableJson as fault:
        raise invalid(
            [Issue("INVALID_FORMAT", f"metadata must be the text of a JSON object: {fault}", pointer)]
        ) from None
