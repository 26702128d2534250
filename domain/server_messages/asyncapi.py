"""The AsyncAPI 3 document of everything that is no plain request: sockets, messages to servers, topics of the log.

https://www.asyncapi.com/docs/reference/specification/v3.0.0. It is made from the types themselves.
"""

from __future__ import annotations

import re
from typing import Any, Final

from domain.registry import EVENT_TYPES
from domain.schemas import schema_of
from domain.server_messages.catalogue import (
    CLIENT_CONTROLS,
    MESSAGE_TYPES,
    TRANSCRIBER_RESPONSE,
    TRANSCRIBER_START,
    MessageType,
)
from domain.server_messages.topics import TOPICS, Topic

Json = dict[str, Any]
_JSON_SCHEMA: Final = "application/schema+json;version=draft-2020-12"
_AUDIO: Final[Json] = {
    "name": "audio",
    "title": "Audio",
    "summary": "Raw audio in the format that the call was created with: pcm_s16le or mulaw, mono.",
    "contentType": "application/octet-stream",
    "payload": {"type": "string", "format": "binary"},
}
_LISTENING: Final[Json] = {
    "name": "listen-started",
    "summary": "The first message to who listens; audio follows.",
    "payload": {
        "type": "object",
        "properties": {"type": {"const": "listen-started"}, "audioFormat": {"type": "object"}},
        "required": ["type", "audioFormat"],
    },
}


def document(version: str, public_url: str) -> Json:
    """The document of this build; ``public_url`` is where the installation is reached."""
    scheme, _, host = public_url.partition("://")
    secure = "s" if scheme == "https" else ""
    to_server = [kind for kind in MESSAGE_TYPES if "server" in kind.audiences]
    to_client = [kind for kind in MESSAGE_TYPES if "client" in kind.audiences]
    asking = [kind for kind in to_server if kind.answer is not None]
    messages: Json = {"audio": _AUDIO, "listening": _LISTENING}
    messages |= {f"server.{kind.name}": _wrapped(kind) for kind in to_server}
    messages |= {f"answer.{kind.name}": _answer(kind) for kind in asking}
    messages |= {f"client.{kind.name}": _plain(kind) for kind in to_client}
    messages |= {f"control.{name}": _control(name, schema) for name, schema in CLIENT_CONTROLS.items()}
    messages |= {
        "transcriber.start": {"name": "start", "payload": TRANSCRIBER_START},
        "transcriber.response": {"name": "transcriber-response", "payload": TRANSCRIBER_RESPONSE},
    }
    messages |= {topic.message: _record(topic) for topic in TOPICS}
    messages |= {f"event.{name}": _event(name) for name in EVENT_TYPES}
    told = [f"client.{kind.name}" for kind in to_client]
    controls = [f"control.{name}" for name in CLIENT_CONTROLS]
    servers = [f"server.{kind.name}" for kind in to_server]
    answers = [f"answer.{kind.name}" for kind in asking]
    events = [f"event.{name}" for name in EVENT_TYPES]
    topics = {topic.channel: [topic.message, *(events if topic.channel == "eventLog" else ())] for topic in TOPICS}
    token = ("callId", "token")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "callfold",
            "version": version,
            "description": "Sockets of calls, messages to tenants' servers, and the topics of the event log.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "media": {"host": host, "protocol": f"ws{secure}"},
            "api": {"host": host, "protocol": f"http{secure}"},
            "browser": {
                "host": host,
                "protocol": "webrtc",
                "description": "A data channel of the call's peer connection; sound goes beside it, as RTP.",
            },
            "tenant": _elsewhere("https", "The server that a tool, assistant, phone number or organization names."),
            "transcriber": _elsewhere("wss", "transcriber.server of an assistant."),
            "log": _elsewhere("kafka", "The brokers of CALLFOLD_LOG, where the log is on Kafka."),
        },
        "channels": {
            "callTransport": _channel(
                "/{callId}/{token}/transport", "media", ["audio", *told, *controls], token, {"ws": {}}
            ),
            "callListening": _channel("/{callId}/{token}/listen", "media", ["listening", "audio"], token, {"ws": {}}),
            "callControl": _channel(
                "/{callId}/{token}/control", "api", controls, token, description="One message for each POST."
            ),
            "browserChannel": _channel(None, "browser", [*told, *controls]),
            "serverUrl": _channel(
                "/", "tenant", servers + answers, description="One message for each POST, the answer is the reply's."
            ),
            "tenantTranscriber": _channel(
                "/", "transcriber", ["transcriber.start", "audio", "transcriber.response"], bindings={"ws": {}}
            ),
            **{
                topic.channel: _channel(
                    topic.name, "log", topics[topic.channel], bindings={"kafka": {"topic": topic.name}}
                )
                for topic in TOPICS
            },
        },
        "operations": {
            "sendToClient": _operation("send", "callTransport", ["audio", *told], "Sound and messages to the caller."),
            "receiveFromClient": _operation(
                "receive", "callTransport", ["audio", *controls], "Sound and control from there."
            ),
            "sendToListener": _operation(
                "send", "callListening", ["listening", "audio"], "Both sides of a call, mixed, for who listens in."
            ),
            "takeControl": _operation("receive", "callControl", controls, "Steer a running call from a server."),
            "sendToBrowser": _operation("send", "browserChannel", told, "Messages to a browser that holds a call."),
            "receiveFromBrowser": _operation("receive", "browserChannel", controls, "Control from there."),
            "tellServer": _operation("send", "serverUrl", servers, "POST to the server; some ask for an answer.")
            | {"reply": {"channel": _reference("channels", "serverUrl"), "messages": _of("serverUrl", answers)}},
            "sendToTranscriber": _operation(
                "send", "tenantTranscriber", ["transcriber.start", "audio"], "What a tenant's own transcriber hears."
            ),
            "receiveFromTranscriber": _operation(
                "receive", "tenantTranscriber", ["transcriber.response"], "What it understood."
            ),
            **{
                f"append{topic.channel[0].upper()}{topic.channel[1:]}": _operation(
                    "send", topic.channel, topics[topic.channel], topic.summary
                )
                for topic in TOPICS
            },
        },
        "components": {"messages": {_key(name): message for name, message in messages.items()}},
    }


def _elsewhere(protocol: str, description: str) -> Json:
    """A server whose address somebody else knows."""
    return {"host": "{host}", "protocol": protocol, "variables": {"host": {"description": description}}}


def _channel(
    address: str | None,
    server: str,
    names: list[str],
    parameters: tuple[str, ...] = (),
    bindings: Json | None = None,
    description: str = "",
) -> Json:
    channel: Json = {
        "address": address,
        "servers": [_reference("servers", server)],
        "messages": {_key(name): {"$ref": f"#/components/messages/{_key(name)}"} for name in dict.fromkeys(names)},
    }
    if parameters:
        channel["parameters"] = {name: {"description": f"The call's {name}."} for name in parameters}
    if description:
        channel["description"] = description
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


def _record(topic: Topic) -> Json:
    record: Json = {"name": topic.message, "summary": topic.summary, "contentType": "application/json"}
    if topic.headers is not None:
        record["headers"] = {"schemaFormat": _JSON_SCHEMA, "schema": topic.headers}
    if topic.key:
        record["bindings"] = {"kafka": {"key": {"type": "string", "description": topic.key}}}
    return record | {"payload": {"schemaFormat": _JSON_SCHEMA, "schema": topic.schema()}}


def _event(name: str) -> Json:
    """``data`` of an event in a commit."""
    kind = EVENT_TYPES[name]
    summary = " ".join((kind.event_class.__doc__ or "").split("\n\n")[0].split())
    return {
        "name": name,
        "summary": summary,
        "payload": {"schemaFormat": _JSON_SCHEMA, "schema": schema_of(kind)},
    }


def _key(name: str) -> str:
    """Names of components hold letters, digits, dots, hyphens and underscores only."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)
