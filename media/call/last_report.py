"""The end-of-call report of a call whose words are on no log: told by the process that held it, which alone has them.

It is told while the call is put away, a few times where the server does not take it, and is gone with the process.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from domain.call.aggregate import CALL
from domain.call.artifact import artifact_body
from domain.call.state import Call, Ended, KeptCall
from domain.call.wire import CallUrls, call_body
from domain.event import Recorded
from domain.server_messages.access import Outgoing
from domain.server_messages.calls import REPORT, assistant_of, call_snapshot, customer_of, report_fields
from domain.server_messages.posting import Posts
from domain.server_messages.selection import server_messages
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id, message_id
from media.call.chronicle import Chronicle
from media.call.tenancy import Tenancy

PAUSES_S: Final = (0.5, 2.0)
"""Between tries."""


async def tell_report(call: KeptCall, chronicle: Chronicle, tenancy: Tenancy, posts: Posts) -> None:
    """Tell the call's server the report that the log cannot give, where it wants one and may have it. ``call`` is the
    call as it was before its first event in ``chronicle``."""
    told = tenancy.told
    server = tenancy.servers.find(told.assistant)
    if chronicle.words_kept or not chronicle.words_told or server is None:
        return
    if REPORT not in server_messages(told.assistant):
        return
    ended = _folded(call, chronicle)
    if not isinstance(ended, Ended):
        return
    org_id, call_id = call.identity.org_id, call.identity.id
    id = message_id(endpoint_id(org_id, origin_of(server.url)), f"{call_id}.{REPORT}")
    request = Outgoing(id=id, about=call_id, body=msgspec.json.encode({"message": _report(ended, told.number)}))
    failure = await posts.post(org_id, server, request)
    for pause_s in PAUSES_S:
        if not failure:
            return
        await asyncio.sleep(pause_s)
        failure = await posts.post(org_id, server, request)
    if failure:
        detail = f"the end-of-call report was not taken, and nobody else has the words: {failure}"
        chronicle.warned("report-not-taken", detail)


def _folded(call: Call, chronicle: Chronicle) -> Call:
    for number, (event, at_ms) in enumerate(chronicle.facts, 1):
        id, time = f"{chronicle.call_id}.{number}", chronicle.clock.wall_time(at_ms)
        call = CALL.evolve(call, Recorded(chronicle.call_id, number, id, time, event))
    return call


def _report(ended: Ended, number: dict[str, Any]) -> dict[str, Any]:
    body = call_body(ended, urls=CallUrls())
    return {
        "type": REPORT,
        "timestamp": round(ended.end.recorded_at.timestamp() * 1000),
        "call": call_snapshot(body),
        **assistant_of(ended),
        **customer_of(ended),
        **number,
        "artifact": body.get("artifact") or artifact_body(ended, {}),
        **report_fields(ended, body, {}),
    }
