"""A file's state from its events. ``FILE`` decides on it as on any configuration, ``FILE_TEXT`` on its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as replaced
from datetime import datetime

from msgspec.structs import asdict, replace

from domain.aggregate import Aggregate, Conflicting, DocumentKeys, NotFound
from domain.configuration.aggregate import ConfigurationAggregate, configuration, keys_of_configuration
from domain.configuration.aggregate import evolve as evolve_configuration
from domain.configuration.events import ConfigurationCreated, ConfigurationDeleted
from domain.configuration.state import Configuration
from domain.event import Event, Recorded
from domain.file.commands import RecordText, RequestText, TextCommand
from domain.file.events import CONFIGURED, FileTextExtracted, FileTextFailed, FileTextRequested
from domain.file.state import (
    DeletedFile,
    FileState,
    StoredFile,
    Text,
    TextExtracted,
    TextFailed,
    TextPending,
    status_of,
    text_of,
)


def evolve(state: Configuration | None, recorded: Recorded) -> Configuration:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with an upload."""
    event, time, version = recorded.event, recorded.time, recorded.originator_version
    match state, event:
        case None, ConfigurationCreated():
            stored = evolve_configuration(None, recorded)
            return StoredFile(**asdict(stored), text=TextPending(attempt=1, since=time))
        case StoredFile(), ConfigurationDeleted():
            return DeletedFile(**{**asdict(state), "updated_at": time, "version": version})
        case StoredFile(text=text), FileTextExtracted() | FileTextFailed() | FileTextRequested():
            return replace(state, text=_text_after(text, event, time), updated_at=time, version=version)
        case _:
            return evolve_configuration(state, recorded)


def keys_of_file(state: Configuration) -> DocumentKeys:
    """Found by how far its text is as well."""
    found = keys_of_configuration(state)
    return DocumentKeys(
        org_id=found.org_id,
        created_at=found.created_at,
        updated_at=found.updated_at,
        status=status_of(text_of(state)),
        deleted=found.deleted,
    )


def decide_on_text(state: Configuration | None, command: TextCommand) -> Sequence[Event]:
    """The events that ``command`` leads to. Raises ``NotFound`` and ``Conflicting``."""
    if not isinstance(state, StoredFile):
        raise NotFound("The file does not exist.", field="id", fix="List what there is.")
    match command, state.text:
        case RecordText(outcome=outcome), TextPending(attempt=attempt) if attempt == outcome.attempt:
            return [outcome]
        case RecordText(outcome=outcome), _:
            raise Conflicting(f"Attempt {outcome.attempt} at the text of file {state.id} is over.")
        case RequestText(org_id=org_id), _ if org_id != state.org_id:
            raise NotFound("The file does not exist.", field="id", fix="List what there is.")
        case RequestText(), TextPending():
            return []
        case RequestText(actor=actor), TextFailed():
            return [FileTextRequested(actor=actor)]
    raise Conflicting(
        f"The text of file {state.id} was extracted.", fix="Only files whose text could not be read can be retried."
    )


def _text_after(text: Text, event: FileTextExtracted | FileTextFailed | FileTextRequested, time: datetime) -> Text:
    match event:
        case FileTextExtracted(attempt=attempt, kind=kind, location=location, sha256=sha256, size_bytes=size):
            return TextExtracted(
                attempt=attempt,
                since=time,
                kind=kind,
                location=location,
                sha256=sha256,
                size_bytes=size,
                pages=event.pages,
            )
        case FileTextFailed(attempt=attempt, code=code, reason=reason):
            return TextFailed(attempt=attempt, since=time, code=code, reason=reason)
        case FileTextRequested():
            return TextPending(attempt=text.attempt + 1, since=time)


FILE: ConfigurationAggregate = replaced(
    configuration("file", CONFIGURED, keys_of_file), state_type=FileState, evolve=evolve
)
FILE_TEXT: Aggregate[Configuration, TextCommand] = Aggregate(
    kind="file", state_type=FileState, evolve=evolve, decide=decide_on_text, keys=keys_of_file
)
