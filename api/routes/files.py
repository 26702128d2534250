"""``/file``: uploads into the artifact store, what was uploaded, and the text that was read out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.bodies import check
from api.byte_ranges import stored_response
from api.byte_removal import remove_bytes
from api.configuration.references import UNBOUNDED
from api.configuration.routes import Views, add_objects
from api.context import ApiContext
from api.creation import create_once
from api.dependencies import ApiLimits
from api.documentation import describe
from api.errors import Issue, Problem, bad_request, invalid, not_found
from api.file_links import FileLinkQuery, FileLinks
from api.idempotency import creation_ids
from api.models.file import LARGEST_METADATA, UPLOAD_SCHEMA, FileBody
from api.resources.files import FILES
from api.sections import Section
from api.uploads import Upload, received
from domain.configuration.commands import CreateConfiguration
from domain.configuration.state import Configuration
from domain.file.state import TextExtracted, TextFailed, TextPending, text_of
from domain.foreign_json import UnreadableJson, read_json
from domain.knowledge_base.state import attachment
from domain.log.ports import Document, Documents, OutcomeUnknown, Step

_NAME_CHARACTERS: Final = 40
_STORED_AS: Final = "file"


def file_routes(context: ApiContext) -> APIRouter:
    """Upload, list, read, rename, delete, download."""
    router = Section(tags=[FILES.tag])
    dependencies = context.dependencies
    artifacts, documents, limits = dependencies.artifacts, dependencies.documents, dependencies.settings.limits
    links = FileLinks(context)

    def more(state: Configuration, now: datetime) -> dict[str, Any]:
        shown = {**FILES.more(state, now), "url": links.url(_content_path(state.id))}
        if isinstance(text_of(state), TextExtracted):
            shown["parsedTextUrl"] = links.url(_text_path(state.id))
        return shown

    resource = replace(FILES, more=more)
    view = Views(resource, context).alone

    def deleting(state: Configuration, principal: Principal) -> Sequence[Step]:
        bases = documents.list("knowledge_base", org_id=principal.org_id, limit=UNBOUNDED)
        users = [base.id for base in bases if attachment(base.state, state.id) is not None]
        if users:
            raise Problem(
                409,
                f"The file {state.id} is attached to {len(users)} knowledge base(s): {', '.join(users[:5])}.",
                detail="Detach it first, then delete it.",
                code="CONFLICT",
                error="file_attached",
                members={"pinnedBy": [{"sourceType": "knowledge_base", "sourceId": user} for user in users]},
            )
        return ()

    async def clean_up(state: Configuration) -> None:
        text = text_of(state)
        await remove_bytes(
            artifacts, (state.config["location"], *([text.location] if isinstance(text, TextExtracted) else []))
        )

    add_objects(router, context, resource, clean_up, deleting)

    @router.post("/file", summary="Upload a file", **describe(upload=UPLOAD_SCHEMA, status=201, returns=FileBody))
    async def upload(request: Request) -> Response:
        principal = await context.caller(request)
        ids = creation_ids(request, principal.org_id, dependencies.new_id)
        async with received(request, limits.upload_bytes) as sent:
            config = _described(sent)
            check(FileBody, config)
            # A retry of an upload that was kept takes no more room.
            if documents.get(FILES.kind, ids.object_id, org_id=principal.org_id) is None:
                _require_room(documents, principal.org_id, sent.size_bytes, limits)
            stored = await run_in_threadpool(artifacts.put, ids.object_id, _STORED_AS, sent.path, sent.content_type)
        config |= {"location": stored.location, "sha256": stored.sha256}

        def command() -> CreateConfiguration:
            return CreateConfiguration(org_id=principal.org_id, config=config, actor=principal.key_id)

        try:
            return await create_once(
                context, principal, FILES.aggregate, ids, sent=config, sent_as="config", command=command, body=view
            )
        except OutcomeUnknown:
            # The file may be on the log yet, and must not be there without its bytes.
            raise
        except Exception:
            kept = documents.get(FILES.kind, ids.object_id)
            if kept is None or kept.state.config["location"] != stored.location:
                await remove_bytes(artifacts, (stored.location,))
            raise

    async def found(request: Request, file_id: str, path: str) -> Document:
        org_id = None if links.followed(request, path) else (await context.caller(request)).org_id
        document = documents.get(FILES.kind, file_id, org_id=org_id)
        if document is None:
            raise not_found(FILES.label, file_id)
        return document

    async def served(request: Request, location: str, name: str, media_type: str, size: int, sha256: str) -> Response:
        headers = {
            "etag": f'"{sha256}"',
            # What tenants upload is never shown as a page of ours.
            "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "x-content-type-options": "nosniff",
            "content-security-policy": "sandbox; default-src 'none'",
            "cache-control": "private, no-cache",
        }
        opened = partial(artifacts.open, location)
        return await stored_response(request, opened, size=size, media_type=media_type, headers=headers)

    @router.get(_content_path("{id}"), summary="Download a file", **describe(query=FileLinkQuery))
    async def content(request: Request, id: str) -> Response:
        state = (await found(request, id, _content_path(id))).state
        config: dict[str, Any] = state.config
        name, media_type = str(config["originalName"]), "application/octet-stream"
        return await served(request, config["location"], name, media_type, config["bytes"], config["sha256"])

    @router.get(
        _text_path("{id}"), summary="Download the text that was read out of a file", **describe(query=FileLinkQuery)
    )
    async def text(request: Request, id: str) -> Response:
        state = (await found(request, id, _text_path(id))).state
        match text_of(state):
            case TextExtracted() as kept:
                name, media_type = f"{state.config['originalName']}.txt", "text/plain; charset=utf-8"
                return await served(request, kept.location, name, media_type, kept.size_bytes, kept.sha256)
            case TextFailed(reason=reason):
                raise Problem(404, f"File {id} has no text: {reason}", detail="Upload another file.", code="NOT_FOUND")
            case TextPending():
                raise Problem(
                    404, f"The text of file {id} is still being read.", detail="Try again soon.", code="NOT_FOUND"
                )

    return router


def _content_path(file_id: str) -> str:
    return f"/file/{file_id}/content"


def _text_path(file_id: str) -> str:
    return f"/file/{file_id}/text"


def _require_room(documents: Documents, org_id: str, size_bytes: int, limits: ApiLimits) -> None:
    """Raise ``Problem`` 400 where the organisation keeps as many or as large files as it may already."""
    kept = documents.list(FILES.kind, org_id=org_id, limit=UNBOUNDED)
    if len(kept) >= limits.organization_files:
        raise bad_request(
            f"The organization keeps {len(kept)} files, which is the most.",
            detail="Delete some, or have the operator raise CALLFOLD_ORGANIZATION_FILES.",
            code="TOO_MANY_FILES",
        )
    taken = sum(document.state.config["bytes"] for document in kept)
    if taken + size_bytes > limits.organization_file_bytes:
        raise bad_request(
            f"The organization's files take {taken} bytes; with this one they would take more than the "
            f"{limits.organization_file_bytes} allowed.",
            detail="Delete some, or have the operator raise CALLFOLD_ORGANIZATION_FILE_MB.",
            code="TOO_MANY_FILES",
        )


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
