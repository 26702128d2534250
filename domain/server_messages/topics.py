"""What stands on each topic of an installation whose log is on Kafka, as AsyncAPI describes it.

Names are those under the default prefix; ``CALLFOLD_LOG`` may name another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from domain.fragments import FragmentBatch
from domain.log.checkpoint import Checkpoint

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_WHOLE: Final[Schema] = {"type": "integer"}


@dataclass(frozen=True)
class Topic:
    """``channel`` is its name in the document, ``name`` the topic's; ``schema`` that of a record's value. ``key`` and
    ``headers`` say what those of a record hold, where readers need them."""

    channel: str
    name: str
    message: str
    summary: str
    schema: Callable[[], Schema]
    key: str = ""
    headers: Schema | None = None


def _object(summary: str, required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "description": summary, "required": list(required), "properties": properties}


def _header(description: str, **more: Any) -> Schema:
    """A header's bytes as text."""
    return {**_TEXT, "description": description, **more}


_ENVELOPE: Final = _header("Version of these headers. A reader stops at one that it does not know.", const="1")
_CONTENT_TYPE: Final = _header("What the value is.", const="application/json")

_COMMIT_HEADERS: Final = _object(
    "What decides whether a commit counts.",
    ("v", "commit", "streams", "content-type"),
    v=_ENVELOPE,
    commit=_header(
        "Id of the commit. The first record with an id settles its fate; later ones are the same sent again."
    ),
    streams=_header(
        'JSON: [["originator", version], ...], a pair for each event of the value, in its order. The commit counts if '
        "every version is the next one of its originator, from 1, counting those before it in the same commit; "
        "otherwise none of it does."
    ),
    tracking=_header(
        'JSON: ["application", position]; the commit counts only if the position is greater than the application\'s '
        "last. Not written by callfold itself."
    ),
    **{"content-type": _CONTENT_TYPE},
)

_FRAGMENT_HEADERS: Final = _object(
    "Whose fragments they are.",
    ("v", "call", "source", "seqs", "content-type"),
    v=_ENVELOPE,
    call=_header("Id of the call."),
    source=_header("Who in the call notes them."),
    seqs=_header("JSON: [first, last], the seq of the first and of the last fragment."),
    dropped=_header("How many partials were left out before these, where any were."),
    **{"content-type": _CONTENT_TYPE},
)


def _commit() -> Schema:
    return {
        "type": "array",
        "items": _object(
            "An event; data is as the event's own message says.",
            ("id", "type", "v", "time", "data"),
            id=_TEXT,
            type=_TEXT,
            v=_WHOLE,
            time={"type": "string", "format": "date-time"},
            data={"type": "object"},
        ),
    }


def _fragments() -> Schema:
    return _of(FragmentBatch)


def _checkpoint() -> Schema:
    signed = _object("", ("checkpoint", "public_key", "signature"), public_key=_TEXT, signature=_TEXT)
    signed["properties"]["checkpoint"] = _of(Checkpoint)
    return signed


def _letter() -> Schema:
    places = dict.fromkeys(("shard", "ordinal", "attempt"), _WHOLE)
    texts = dict.fromkeys(("processor", "originator_id", "reason"), _TEXT)
    return {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"type": "string", "enum": ["letter", "drop", "retry"]},
            **texts,
            **places,
            "request_id": _TEXT,
            "dropped": _object("The letter that is passed over.", (), **texts, **places),
        },
    }


def _entry() -> Schema:
    return {"description": "A figure with the event up to which it counts; an installation's own affair."}


def _beat() -> Schema:
    left = {"type": "boolean", "description": "The process ends: others may take over at once."}
    delivers = {"type": "boolean", "description": "Whether it sends messages to servers; not said by others."}
    owner = {"type": "string", "description": "The process's name."}
    return _object("", ("owner",), owner=owner, left=left, delivers=delivers)


def _of(kind: type) -> Schema:
    """A struct's schema with its definitions written out where they are used."""
    (found,), definitions = msgspec.json.schema_components([kind], ref_template="{name}")
    plain: Schema = msgspec.json.decode(msgspec.json.encode(_written_out(found, definitions)))
    return plain


def _written_out(schema: Any, definitions: dict[str, Any]) -> Any:
    match schema:
        case {"$ref": str(name)}:
            return _written_out(definitions[name], definitions)
        case dict():
            return {key: _written_out(part, definitions) for key, part in schema.items()}
        case list():
            return [_written_out(part, definitions) for part in schema]
        case _:
            return schema


TOPICS: Final = (
    Topic(
        "eventLog",
        "callfold.log",
        "commit",
        "The events of one decision, all or none of which count. Headers hold what the verdict is made from.",
        _commit,
        "Originator of the first event: the id of a call, an assistant, an organization, ...",
        _COMMIT_HEADERS,
    ),
    Topic(
        "fragments",
        "callfold.media",
        "fragments",
        "Frequent facts of one call: partial transcripts, tokens, measuring points, inputs of the call machine.",
        _fragments,
        "Id of the call.",
        _FRAGMENT_HEADERS,
    ),
    Topic(
        "checkpoints",
        "callfold.heads",
        "checkpoint",
        "Where the chain of a shard stands, signed (Ed25519). Compacted.",
        _checkpoint,
    ),
    Topic(
        "deadLetters",
        "callfold.dead",
        "deadLetter",
        "Events that a processor failed at, decisions to drop them, and requests to try again. Compacted.",
        _letter,
    ),
    Topic(
        "leases",
        "callfold.leases",
        "heartbeat",
        "Heartbeats of processes: who is silent for long has lost its calls and its endpoints.",
        _beat,
    ),
    Topic(
        "liveFigures",
        "callfold.live",
        "liveFigure",
        "Figures of running calls, by minute and by call. Compacted.",
        _entry,
    ),
    Topic(
        "liveMedia",
        "callfold.live-media",
        "liveMediaFigure",
        "What running calls note of their audio, by call and by the process that notes it. Compacted.",
        _entry,
    ),
)
