"""Deleting calls, one or several: a running one is ended first, and its recordings go with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from api.authentication import Principal
from api.byte_removal import remove_bytes
from api.context import ApiContext
from api.errors import Problem, not_found
from api.refusals import from_log, from_refusal
from domain.aggregate import Conflicting, Refused
from domain.call.aggregate import CALL
from domain.call.commands import DeleteCall, EndCall
from domain.call.events import CallDeletionFailed
from domain.call.state import Live, Ringing
from domain.live_calls import CallNotLive
from domain.log.ports import Appended, Document, LogUnavailable

logger = logging.getLogger(__name__)

ENDED_BY_DELETE: Final = "call-deleted"


class CallRemoval:
    """Deletes calls of whoever asks."""

    def __init__(self, context: ApiContext) -> None:
        self._commands = context.dependencies.commands
        self._documents = context.dependencies.documents
        self._clock = context.dependencies.clock
        self._live_calls = context.dependencies.live_calls
        self._artifacts = context.dependencies.artifacts

    async def one(self, principal: Principal, call_id: str) -> tuple[Document, Appended]:
        """The call as it was. Raises ``Problem`` 404, ``Refused`` and ``LogUnavailable``."""
        await self._end_if_running(self._found(principal, call_id))
        try:
            document, appended = await self._deleted(principal, call_id)
        except Conflicting:
            # It was claimed after we had looked, perhaps on another node.
            await self._end_if_running(self._found(principal, call_id))
            document, appended = await self._deleted(principal, call_id)
        await remove_bytes(self._artifacts, [artifact.location for artifact in document.state.artifacts])
        return document, appended

    async def several(self, principal: Principal, call_ids: Sequence[str]) -> list[dict[str, Any]]:
        """What became of each, in order: one that cannot be deleted keeps no other from it."""
        return [await self._outcome(principal, call_id) for call_id in dict.fromkeys(call_ids)]

    async def _outcome(self, principal: Principal, call_id: str) -> dict[str, Any]:
        try:
            await self.one(principal, call_id)
        except Problem as problem:
            failed = problem
        except Refused as refusal:
            failed = from_refusal(refusal)
        except LogUnavailable as fault:
            failed = from_log(fault)
        else:
            return {"id": call_id, "status": "deleted"}
        await self._tell(principal, call_id, CallDeletionFailed(code=failed.code or "", reason=failed.message))
        return {"id": call_id, "status": "deletion-failed", "code": failed.code, "message": failed.message}

    async def _tell(self, principal: Principal, call_id: str, failure: CallDeletionFailed) -> None:
        """Keep that a call which is there could not be deleted: its server may want to know."""
        if self._documents.get("call", call_id, org_id=principal.org_id) is None:
            return
        try:
            await self._commands.record(call_id, [failure], [self._clock()])
        except LogUnavailable as fault:
            logger.warning("call.deletion_failure_not_recorded", extra={"call_id": call_id, "reason": str(fault)})

    def _found(self, principal: Principal, call_id: str) -> Document:
        document = self._documents.get("call", call_id, org_id=principal.org_id)
        if document is None:
            raise not_found("Call", call_id)
        return document

    async def _deleted(self, principal: Principal, call_id: str) -> tuple[Document, Appended]:
        document = self._found(principal, call_id)
        _, appended = await self._commands.execute(CALL, call_id, DeleteCall(org_id=principal.org_id))
        return document, appended

    async def _end_if_running(self, document: Document) -> None:
        if not isinstance(document.state, Ringing | Live):
            return
        try:
            await self._live_calls.end(document.id, ENDED_BY_DELETE)
        except CallNotLive:
            # No process of ours serves it: its owner has died, or it ended while we looked.
            with suppress(Conflicting):
                await self._commands.execute(CALL, document.id, EndCall(reason=ENDED_BY_DELETE))
