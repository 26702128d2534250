"""``/v2/knowledge-base``: made together with their tool, deleted together with it; files come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from msgspec import to_builtins
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.bodies import check
from api.configuration.changes import check_new
from api.configuration.references import Reference, check_references, refuse_while_used
from api.configuration.routes import Views, add_objects
from api.context import ApiContext
from api.creation import create_once
from api.documentation import describe
from api.errors import bad_request, not_found
from api.idempotency import creation_ids
from api.models.knowledge_base import AttachFileBody, KnowledgeBaseBody, SearchBody
from api.resources.knowledge_bases import KNOWLEDGE_BASES
from api.resources.tools import TOOLS
from api.responses import json_response
from api.sections import Section
from domain.aggregate import Conflicting
from domain.configuration.commands import CreateConfiguration, DeleteConfiguration
from domain.configuration.state import Configuration
from domain.file.aggregate import FILE_TEXT
from domain.file.commands import RequestText
from domain.file.state import TextFailed, status_of, text_of
from domain.knowledge.search import Source
from domain.knowledge_base.aggregate import KNOWLEDGE_BASE_FILES
from domain.knowledge_base.commands import AttachFile, DetachFile
from domain.knowledge_base.state import AttachedFile, attachment, files_of
from domain.knowledge_base.tool import tool_config, tool_id
from domain.log.ports import Document, Documents, Step
from domain.wire_time import iso_ms

_STATUS = {"processing": "indexing", "done": "ready", "failed": "failed"}
_FILE = (Reference("fileId", "file"),)


def knowledge_base_routes(context: ApiContext) -> APIRouter:
    """Bases and their search; the files of each are in ``knowledge_base_file_routes``."""
    router = Section(tags=[KNOWLEDGE_BASES.tag])
    documents = context.dependencies.documents

    def alone(state: Configuration, now: datetime) -> dict[str, Any]:
        tool = documents.get("tool", tool_id(state.id), org_id=state.org_id)
        return {
            "files": [attached_body(documents, state, attached) for attached in files_of(state)],
            "toolId": tool.id if tool is not None else None,
        }

    def deleting(state: Configuration, principal: Principal) -> Sequence[Step]:
        tool = documents.get("tool", tool_id(state.id), org_id=principal.org_id)
        if tool is None:
            return ()
        refuse_while_used(TOOLS.used_by, "tool of the knowledge base", tool.id, documents, principal.org_id)
        command = DeleteConfiguration(org_id=principal.org_id, actor=principal.key_id)
        return (Step(TOOLS.aggregate, tool.id, command),)

    resource = replace(KNOWLEDGE_BASES, alone=alone)
    add_objects(router, context, resource, deleting=deleting)

    @router.post(
        resource.path,
        summary="Create a knowledge base and the tool that searches it",
        **describe(body=KnowledgeBaseBody, status=201, returns=KnowledgeBaseBody),
    )
    async def create(request: Request) -> Response:
        principal = await context.caller(request)
        ids = creation_ids(request, principal.org_id, context.dependencies.new_id)
        body = await context.body(request)
        check_new(resource, body)

        def made(config: dict[str, Any]) -> CreateConfiguration:
            return CreateConfiguration(org_id=principal.org_id, config=config, actor=principal.key_id)

        tool = made(tool_config(ids.object_id, body))
        return await create_once(
            context,
            principal,
            resource.aggregate,
            ids,
            sent=body,
            sent_as="config",
            command=lambda: made(body),
            beside=(Step(TOOLS.aggregate, tool_id(ids.object_id), tool),),
            body=Views(resource, context).alone,
        )

    @router.post(
        f"{resource.path}/{{id}}/search",
        summary="Ask a knowledge base what its tool would be told",
        **describe(body=SearchBody),
    )
    async def search(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        body = await context.body(request)
        check(SearchBody, body)
        asked = SearchBody.model_validate(body)
        base = _existing(documents, principal, id)
        found = await context.dependencies.knowledge.search(
            principal.org_id, [Source(knowledge_base_id=base.id)], asked.query, limit=asked.limit
        )
        shown = {
            "passages": [
                {
                    "content": passage.text,
                    "similarity": passage.score,
                    "fileId": passage.file_id,
                    "fileName": passage.file_name,
                    "number": passage.number,
                    "page": passage.page,
                    "heading": passage.heading,
                }
                for passage in found.passages
            ],
            "notSearched": to_builtins(found.not_searched),
        }
        return json_response(shown, position=context.seen(principal))

    return router


def knowledge_base_file_routes(context: ApiContext) -> APIRouter:
    """Attach, detach, list and retry the files of a base."""
    router = Section(tags=[KNOWLEDGE_BASES.tag])
    commands, documents = context.dependencies.commands, context.dependencies.documents
    path = f"{KNOWLEDGE_BASES.path}/{{id}}/file"

    @router.get(
        path,
        summary="List the files of a knowledge base",
        **describe(returns=AttachFileBody, listed="array"),
    )
    async def listing(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        base = _existing(documents, principal, id)
        shown = [attached_body(documents, base.state, attached) for attached in files_of(base.state)]
        return json_response(shown, position=context.seen(principal))

    @router.post(
        path,
        summary="Attach a file to a knowledge base",
        **describe(body=AttachFileBody, status=201, returns=AttachFileBody),
    )
    async def attach(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        body = await context.body(request)
        check(AttachFileBody, body)
        _existing(documents, principal, id)
        check_references(_FILE, body, documents, principal.org_id)
        command = AttachFile(
            org_id=principal.org_id,
            file_id=body["fileId"],
            attachment_id=context.dependencies.new_id(),
            most_files=context.dependencies.settings.limits.knowledge_base_files,
            actor=principal.key_id,
        )
        state, appended = await commands.execute(KNOWLEDGE_BASE_FILES, id, command)
        attached = attachment(state, body["fileId"])
        assert attached is not None
        return json_response(attached_body(documents, state, attached), status=201, position=appended.position)

    @router.delete(
        f"{path}/{{fileId}}",
        summary="Detach a file from a knowledge base",
        **describe(returns=AttachFileBody),
    )
    async def detach(request: Request, id: str, fileId: str) -> Response:  # noqa: N803 - the parameter's public name
        principal = await context.caller(request)
        base, attached = _attached(documents, principal, id, fileId)
        shown = attached_body(documents, base.state, attached)
        command = DetachFile(org_id=principal.org_id, file_id=fileId, actor=principal.key_id)
        _, appended = await commands.execute(KNOWLEDGE_BASE_FILES, id, command)
        return json_response(shown, position=appended.position)

    @router.post(
        f"{path}/{{fileId}}/retry",
        summary="Read a file again that could not be read",
        **describe(status=201, returns=AttachFileBody),
    )
    async def retry(request: Request, id: str, fileId: str) -> Response:  # noqa: N803 - the parameter's public name
        principal = await context.caller(request)
        base, attached = _attached(documents, principal, id, fileId)
        command = RequestText(org_id=principal.org_id, actor=principal.key_id)
        try:
            _, appended = await commands.execute(FILE_TEXT, fileId, command)
        except Conflicting as refused:
            # Clients repeat what is answered 409, and this can never succeed.
            raise bad_request(refused.reason, detail=refused.fix) from None
        return json_response(attached_body(documents, base.state, attached), status=201, position=appended.position)

    return router


def attached_body(documents: Documents, base: Configuration, attached: AttachedFile) -> dict[str, Any]:
    """A file of a base as clients see it. A past one may be gone by now."""
    body: dict[str, Any] = {
        "id": attached.id,
        "orgId": base.org_id,
        "knowledgeBaseV2Id": base.id,
        "fileId": attached.file_id,
    }
    document = documents.get("file", attached.file_id, org_id=base.org_id)
    since, changed = attached.attached_at, attached.attached_at
    if document is None:
        body["status"] = "failed"
    else:
        config, text = document.state.config, text_of(document.state)
        body |= {"fileName": config["originalName"], "mimetype": config["mimetype"], "bytes": config["bytes"]}
        body["status"] = _STATUS[status_of(text)]
        if isinstance(text, TextFailed):
            body["failureReason"] = text.reason
        changed = max(changed, text.since)
    return {**body, "createdAt": iso_ms(since), "updatedAt": iso_ms(changed)}


def _existing(documents: Documents, principal: Principal, base_id: str) -> Document:
    document = documents.get(KNOWLEDGE_BASES.kind, base_id, org_id=principal.org_id)
    if document is None:
        raise not_found(KNOWLEDGE_BASES.label, base_id)
    return document


def _attached(documents: Documents, principal: Principal, base_id: str, file_id: str) -> tuple[Document, AttachedFile]:
    base = _existing(documents, principal, base_id)
    attached = attachment(base.state, file_id)
    if attached is None:
        raise not_found("File", file_id)
    return base, attached
