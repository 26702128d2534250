"""Asking the tenant's server who answers a call that names nobody (``assistant-request``)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from domain.call.state import Identity, KeptCall
from domain.server_messages.assistant_request import (
    DEADLINE_SECONDS,
    FAILED,
    FORWARDED,
    INVALID,
    KIND,
    SPOKEN,
    UNSPEAKABLE,
    Answers,
    Forwards,
    Says,
    Unusable,
    read_assistant_answer,
)
from media.call.casting import INVALID_SQUAD
from media.call.start import StartRefused
from media.call.tenancy import Tenancy
from media.machine.inputs import EndRequested
from media.tools.outcome import Failed

NEITHER: Final = "call-start-error-neither-assistant-nor-server-set"
_INVALID: Final = frozenset({"assistant-not-found", "assistant-not-valid", INVALID_SQUAD})
_TARGETS: Final = ("assistantId", "assistant", "squadId", "squad")


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that knows who answers it. ``asked``: the server said so. ``last_words`` end it as soon as it has begun,
    where nobody but an error does."""

    call: KeptCall
    asked: bool = False
    last_words: EndRequested | None = None


def names_somebody(identity: Identity) -> bool:
    """Whether the request says who answers."""
    return identity.assistant_id is not None or any(identity.request.get(name) is not None for name in _TARGETS)


async def answered(call: KeptCall, tenancy: Tenancy) -> Answered:
    """``call`` with whoever the server of its number or organisation names, where it names nobody itself.

    Raises ``StartRefused`` where the server does not answer in time, or with nothing that can be followed.
    """
    if names_somebody(call.identity):
        return Answered(call)
    if tenancy.fallback is None:
        raise StartRefused(NEITHER, "The call names nobody, and neither its number nor its organization has a server.")
    server = msgspec.structs.replace(tenancy.fallback, timeout_seconds=DEADLINE_SECONDS, backoff=None)
    message = {"type": KIND, **tenancy.told.brief()}
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            reply = await tenancy.servers.ask(server, message, source=KIND, whom="The server")
    except TimeoutError:
        raise StartRefused(FAILED, f"The server did not answer within {DEADLINE_SECONDS:g} seconds.") from None
    if isinstance(reply, Failed):
        raise StartRefused(FAILED, reply.error)
    if not 200 <= reply.status < 300:
        raise StartRefused(FAILED, f"The server answered with HTTP status {reply.status}.")
    match read_assistant_answer(reply.body):
        case Answers(request=fields):
            return Answered(_completed(call, fields), asked=True)
        case Says(text=text):
            words = EndRequested(reason=SPOKEN, farewell=text)
            return Answered(_completed(call, {"assistant": _SILENT}), asked=True, last_words=words)
        case Forwards():
            raise StartRefused(FORWARDED, "The server forwards the call, and nobody carries it who could connect it.")
        case Unusable(reason=reason, why=why):
            raise StartRefused(reason, f"The server's answer cannot be followed: {why}.")


def blamed(refused: StartRefused, who: Answered) -> StartRefused:
    """The same refusal, where the server's answer is to blame for it."""
    if who.last_words is not None:
        return StartRefused(UNSPEAKABLE, f"The server's error cannot be said here: {refused.message}")
    if who.asked and refused.reason in _INVALID:
        return StartRefused(INVALID, f"The server's answer cannot be followed: {refused.message}")
    return refused


_SILENT: Final[dict[str, Any]] = {"firstMessageMode": "assistant-waits-for-user"}
"""Who says an error: nobody in particular, in the installation's own voice."""


def _completed(call: KeptCall, fields: dict[str, Any]) -> KeptCall:
    identity = call.identity
    known = msgspec.structs.replace(
        identity, request={**identity.request, **fields}, assistant_id=fields.get("assistantId")
    )
    return msgspec.structs.replace(call, identity=known)
