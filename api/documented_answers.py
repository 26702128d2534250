"""What the OpenAPI document says of answers that do not follow from the body of a request: calls, events, refusals."""

from __future__ import annotations

from typing import Any, Final, get_args

from api import openai_refusals
from domain.sound_links import Reason

Schema = dict[str, Any]

_UUID: Final[Schema] = {"type": "string", "format": "uuid"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "number"}
_WHOLE: Final[Schema] = {"type": "integer"}
_FLAG: Final[Schema] = {"type": "boolean"}
_OBJECT: Final[Schema] = {"type": "object", "additionalProperties": True}


def _object(description: str, required: str, /, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "required": required.split(),
        "properties": properties,
        "additionalProperties": True,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


ERROR: Final[Schema] = _object(
    "A refusal: Vapi's members, and those of RFC 9457.",
    "message",
    message={"oneOf": [_TEXT, _list(_TEXT)], "description": "One text, or one for every violation, path first."},
    error={**_TEXT, "description": "The name of the status; for 409 a word that tells programs why."},
    statusCode=_WHOLE,
    type=_TEXT,
    title=_TEXT,
    status=_WHOLE,
    detail={**_TEXT, "description": "What to do about it."},
    code=_TEXT,
    errors=_list(_object("One violation.", "code message pointer", code=_TEXT, message=_TEXT, pointer=_TEXT)),
    requestId={**_TEXT, "description": "The same as the header X-Request-ID."},
)

_ALLOCATION: Final[Schema] = _object(
    "Which versions of an assistant get how many of its calls, from its creation until the next one.",
    "id orgId assistantId allocationIntent createdAt actorType targets",
    id=_UUID,
    orgId=_UUID,
    assistantId=_UUID,
    allocationIntent={**_TEXT, "enum": ["follow-latest", "explicit"]},
    createdAt=_TIME,
    actorType={**_TEXT, "enum": ["user", "api-key", "system"]},
    actorId=_TEXT,
    description=_TEXT,
    targets=_list(
        _object(
            "A version and its share of the calls in percent.",
            "assistantVersion position percentage",
            assistantVersion=_TEXT,
            position=_WHOLE,
            percentage=_NUMBER,
        )
    ),
)

ANSWERS: Final[dict[str, Schema]] = {
    "Error": ERROR,
    "ResponsesError": {**ERROR, "properties": {**ERROR["properties"], "error": openai_refusals.SCHEMA}},
    "BackgroundSoundValidation": _object(
        "Whether calls could play the sound, and if not, why.",
        "valid",
        valid=_FLAG,
        reason={**_TEXT, "enum": list(get_args(Reason))},
        status=_WHOLE,
        contentType=_TEXT,
    ),
    # Named, since generators of clients lose an alternative without a name.
    "DeletionOfSeveralCalls": _object(
        "What became of several calls.",
        "id orgId createdAt updatedAt message results",
        id=_TEXT,
        orgId=_UUID,
        createdAt=_TIME,
        updatedAt=_TIME,
        message=_TEXT,
        results=_list(
            _object(
                "One call.",
                "id status",
                id=_UUID,
                status={**_TEXT, "enum": ["deleted", "deletion-failed"]},
                code=_TEXT,
                message=_TEXT,
            )
        ),
    ),
    "DeletedCalls": {
        "anyOf": [{"$ref": "#/components/schemas/Call"}, {"$ref": "#/components/schemas/DeletionOfSeveralCalls"}]
    },
    "TrafficAllocation": _ALLOCATION,
    "LatestTrafficAllocation": _object("The allocation in force, if there is any.", "", allocation=_ALLOCATION),
    "Call": _object(
        "A conversation, waiting, running or ended.",
        "id orgId type status createdAt updatedAt",
        id=_UUID,
        orgId=_UUID,
        type={**_TEXT, "enum": ["inboundPhoneCall", "outboundPhoneCall", "webCall", "vapi.websocketCall"]},
        status={**_TEXT, "enum": ["scheduled", "queued", "ringing", "in-progress", "forwarding", "ended"]},
        createdAt=_TIME,
        updatedAt=_TIME,
        startedAt=_TIME,
        endedAt=_TIME,
        endedReason=_TEXT,
        endedMessage=_TEXT,
        name=_TEXT,
        assistantId=_TEXT,
        assistant=_OBJECT,
        assistantOverrides=_OBJECT,
        assistantVersion=_TEXT,
        cost={**_NUMBER, "description": "US dollars."},
        costBreakdown=_OBJECT,
        costs=_list(_OBJECT),
        transport=_object("How the caller is connected.", "", provider=_TEXT, websocketCallUrl=_TEXT, callUrl=_TEXT),
        webCallUrl={**_TEXT, "description": "Where a browser sends its offer. Only of a webCall."},
        monitor=_object("For who listens or steers.", "", listenUrl=_TEXT, controlUrl=_TEXT),
        messages=_list(_OBJECT),
        artifact=_OBJECT,
        analysis=_OBJECT,
        subscriptionLimits=_object(
            "Only in the answer that creates the call.",
            "",
            concurrencyBlocked=_FLAG,
            concurrencyLimit=_NUMBER,
            remainingConcurrentCalls=_NUMBER,
        ),
    ),
    "SessionAnswer": _object("The answer to an offer.", "type sdp", type={**_TEXT, "enum": ["answer"]}, sdp=_TEXT),
    "IceServers": _object(
        "What a browser needs before it makes its offer.",
        "iceServers",
        iceServers=_list(
            _object("As RTCPeerConnection takes it.", "urls", urls=_list(_TEXT), username=_TEXT, credential=_TEXT)
        ),
    ),
    "Event": _object(
        "Something that happened, as it stands on the log.",
        "position originatorId originatorVersion id type v time data",
        position={**_TEXT, "examples": ["0:128"]},
        originatorId=_TEXT,
        originatorVersion=_WHOLE,
        id=_TEXT,
        type={**_TEXT, "examples": ["assistant.updated"]},
        v=_WHOLE,
        time=_TIME,
        data=_OBJECT,
    ),
    "Fragment": {**_OBJECT, "description": "A media fact: a guess of the recogniser, a token, a measuring point."},
    "Versions": _object(
        "Who changed what, newest first.",
        "results metadata",
        results=_list(
            _object(
                "One version.",
                "version createdAt position etag changedFields",
                version={**_TEXT, "examples": ["v3"]},
                createdAt=_TIME,
                position=_TEXT,
                etag=_TEXT,
                changedFields=_list(_TEXT),
                restoredFrom=_or_null(_TEXT),
                changedBy=_or_null(_object("The key.", "keyId", keyId=_TEXT, name=_or_null(_TEXT))),
            )
        ),
        metadata=_object("", "limit hasNextPage", limit=_WHOLE, hasNextPage=_FLAG, nextCursor=_or_null(_TEXT)),
    ),
    "AnalyticsResult": _object(
        "The rows of one query.", "name result", name=_TEXT, timeRange=_OBJECT, result=_list(_OBJECT)
    ),
    "Health": _object("How this process is.", "status", status=_TEXT, version=_TEXT, reason=_TEXT),
    "Organization": _object(
        "A tenant.",
        "id name",
        id=_UUID,
        name=_TEXT,
        createdAt=_TIME,
        privateKey={**_TEXT, "description": "Shown once, when the organization is founded."},
        publicKey=_TEXT,
        keys=_list(_object("A key in force.", "id tag issuedAt", id=_TEXT, tag=_TEXT, issuedAt=_TIME)),
        limits={"$ref": "#/components/schemas/OrganizationLimits"},
    ),
    "Org": _object(
        "Your organization.",
        "id name createdAt updatedAt",
        id=_UUID,
        name=_TEXT,
        server={"$ref": "#/components/schemas/Server"},
        createdAt=_TIME,
        updatedAt=_TIME,
    ),
    "RequestEntry": _object(
        "A request that this process has answered.",
        "time requestId method route status ms",
        time=_TIME,
        requestId=_TEXT,
        method=_TEXT,
        route=_TEXT,
        status=_WHOLE,
        ms=_NUMBER,
        orgId=_or_null(_TEXT),
        keyId=_or_null(_TEXT),
    ),
    "SqlResult": _object(
        "The rows of a statement.",
        "columns types rows elapsedMs",
        columns=_list(_TEXT),
        types=_list(_TEXT),
        rows=_list(_list({})),
        elapsedMs=_NUMBER,
    ),
    "Contact": _object(
        "A customer of a campaign.",
        "id campaignId status",
        id=_UUID,
        campaignId=_UUID,
        number=_TEXT,
        name=_TEXT,
        status=_TEXT,
        callId=_TEXT,
        dispatchedAt=_TIME,
        endedReason=_TEXT,
    ),
    "SimulationConcurrency": _object(
        "How many simulations may run.",
        "orgId concurrencyLimit activeSimulations availableToStart createdAt updatedAt isDefault",
        orgId=_UUID,
        concurrencyLimit=_WHOLE,
        activeSimulations=_WHOLE,
        availableToStart=_WHOLE,
        createdAt=_TIME,
        updatedAt=_TIME,
        isDefault=_FLAG,
    ),
    "Report": {**_OBJECT, "description": "What was done or found."},
}
"""Schemas of answers by the name that a route gives as ``answer``."""
