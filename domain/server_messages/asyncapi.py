"""The AsyncAPI 3 document of everything that is no plain request: sockets, messages to servers, topics of the log.

https://www.asyncapi.com/docs/reference/specification/v3.0.0. It is made from the types themselves.
"""

from __future__ import annotations

import re
from typing import Any, Final

from domain.registry import EVENT_TYPES
from domain.schemas import schema_of
from domain.server_messages.catalogue import CLIENT_CONTROLS, MESSAGE_TYPES, MessageType

Json = dict[str, Any]
_JSON_SCHEMA: Final = "application/schema+json;version=draft-2020-12"
_AUDIO: Final[Json] = {
    "name": "audio",
    "title": "Audio",
    "summary": "Raw audio in the format that the call was created with: pcm_s16le or mulaw, mono.",
    "contentType": "application/octet-stream",
    "payload": {"type": "string", "format": "binary"},
}


def document(version: str, public_url: str) -> Json:
    """The document of this build; ``public_url`` is where the installation is reached."""
    scheme, _, host = public_url.partition("://")
    to_server = [kind for kind in MESSAGE_TYPES if "server" in kind.audiences]
    to_client = [kind for kind in MESSAGE_TYPES if "client" in kind.audiences]
    asking = [kind for kind in to_server if kind.answer is not None]
    messages: Json = {"audio": _AUDIO}
    messages |= {f"server.{kind.name}": _wrapped(kind) for kind in to_server}
    messages |= {f"answer.{kind.name}": _answer(kind) for kind in asking}
    messages |= {f"client.{kind.name}": _plain(kind) for kind in to_client}
    messages |= {f"control.{name}": _control(name, schema) for name, schema in CLIENT_CONTROLS.items()}
    messages |= {f"event.{name}": _event(name) for name in EVENT_TYPES}
    sent = ["audio", *(f"client.{kind.name}" for kind in to_client)]
    taken = ["audio", *(f"control.{name}" for name in CLIENT_CONTROLS)]
    servers = [f"server.{kind.name}" for kind in to_server]
    answers = [f"answer.{kind.name}" for kind in asking]
    events = [f"event.{name}" for name in EVENT_TYPES]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "callfold",
            "version": version,
            "description": "Sockets of calls, messages to tenants' servers, and the topics of the event log.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "media": {"host": host, "protocol": "wss" if scheme == "https" else "ws"},
            "tenant": {
                "host": "{host}",
                "protocol": "https",
                "variables": {"host": {"description": "The server that an assistant or a phone number names."}},
            },
            "log": {
                "host": "{brokers}",
                "protocol": "kafka",
                "variables": {"brokers": {"description": "The brokers of CALLFOLD_LOG, where the log is on Kafka."}},
            },
        },
        "channels": {
            "callTransport": _channel(
                "/{callId}/{token}/transport", "media", sent + taken, ("callId", "token"), {"ws": {}}
            ),
            "serverUrl": _channel("/", "tenant", servers + answers),
            "eventLog": _channel("callfold.log", "log", events, bindings={"kafka": {"topic": "callfold.log"}}),
        },
        "operations": {
            "sendToClient": _operation("send", "callTransport", sent, "Sound and messages to the caller's side."),
            "receiveFromClient": _operation("receive", "callTransport", taken, "Sound and control from there."),
            "tellServer": _operation("send", "serverUrl", servers, "POST to the server; some ask for an answer.")
            | {"reply": {"channel": _reference("channels", "serverUrl"), "messages": _of("serverUrl", answers)}},
            "appendEvents": _operation("send", "eventLog", events, "Every event, in the order of its shard."),
        },
        "components": {"messages": {_key(name): message for name, message in messages.items()}},
    }


def _channel(
    address: str, server: str, names: list[str], parameters: tuple[str, ...] = (), bindings: Json | None = None
) -> Json:
    channel: Json = {
        "address": address,
        "servers": [_reference("servers", server)],
        "messages": {_key(name): {"$ref": f"#/components/messages/{_key(name)}"} for name in dict.fromkeys(names)},
    }
    if parameters:
        channel["parameters"] = {name: {"description": f"The call's {name}."} for name in parameters}
    return channel | ({"bindings": bindings} if bindings else {})


def _operation(action: str, channel: str, names: list[str], summary: str) -> Json:
    return {
        "action": action,
        "channel": _reference("channels", channel),
        "summary": summary,
        "messages": _of(channel, names),
    }


def _of(channel: str, names: list[str]) -> list[Json]:
    return [{"$ref": f"#/channels/{channel}/messages/{_key(name)}"} for name in names]


def _reference(part: str, name: str) -> Json:
    return {"$ref": f"#/{part}/{name}"}


def _wrapped(kind: MessageType) -> Json:
    payload = {"type": "object", "properties": {"message": kind.schema()}, "required": ["message"]}
    return {"name": kind.name, "summary": kind.summary, "payload": payload}


def _plain(kind: MessageType) -> Json:
    return {"name": kind.name, "summary": kind.summary, "payload": kind.schema()}


def _answer(kind: MessageType) -> Json:
    return {"name": f"{kind.name} answer", "summary": f"Answers {kind.name}.", "payload": kind.answer}


def _control(name: str, schema: Json) -> Json:
    properties = {"type": {"const": name}, **schema.get("properties", {})}
    return {"name": name, "payload": {"type": "object", "properties": properties, "required": ["type"]}}


def _event(name: str) -> Json:
    schema = schema_of(EVENT_TYPES[name])
    return {
        "name": name,
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": schema},
    }


def _key(name: str) -> str:
    """Names of components hold letters, digits, dots, hyphens and underscores only."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)
