"""A knowledge base's state from its events. ``KNOWLEDGE_BASE`` decides on it as on any configuration,
``KNOWLEDGE_BASE_FILES`` on what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as replaced

from msgspec.structs import asdict, replace

from domain.aggregate import Aggregate, NotFound, Refused
from domain.configuration.aggregate import ConfigurationAggregate, configuration, keys_of_configuration
from domain.configuration.aggregate import evolve as evolve_configuration
from domain.configuration.events import ConfigurationCreated, ConfigurationDeleted
from domain.configuration.state import Configuration
from domain.event import Event, Recorded
from domain.knowledge_base.commands import AttachFile, DetachFile, FilesCommand
from domain.knowledge_base.events import CONFIGURED, KnowledgeBaseFileAttached, KnowledgeBaseFileDetached
from domain.knowledge_base.state import (
    AttachedFile,
    DeletedKnowledgeBase,
    KnowledgeBase,
    KnowledgeBaseState,
    attachment,
)


def evolve(state: Configuration | None, recorded: Recorded) -> Configuration:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with its creation."""
    event, time, version = recorded.event, recorded.time, recorded.originator_version
    match state, event:
        case None, ConfigurationCreated():
            return KnowledgeBase(**asdict(evolve_configuration(None, recorded)))
        case KnowledgeBase(), ConfigurationDeleted():
            return DeletedKnowledgeBase(**{**asdict(state), "updated_at": time, "version": version})
        case KnowledgeBase(files=files), KnowledgeBaseFileAttached(file_id=file_id, attachment_id=attachment_id):
            attached = AttachedFile(id=attachment_id, file_id=file_id, attached_at=time)
            return replace(state, files=(*files, attached), updated_at=time, version=version)
        case KnowledgeBase(files=files), KnowledgeBaseFileDetached(file_id=file_id):
            kept = tuple(attached for attached in files if attached.file_id != file_id)
            return replace(state, files=kept, updated_at=time, version=version)
        case _:
            return evolve_configuration(state, recorded)


def decide_on_files(state: Configuration | None, command: FilesCommand) -> Sequence[Event]:
    """The events that ``command`` leads to. Raises ``NotFound`` and ``Refused``."""
    if not isinstance(state, KnowledgeBase) or state.org_id != command.org_id:
        raise NotFound("The knowledge base does not exist.", field="id", fix="List what there is.")
    known = attachment(state, command.file_id)
    match command:
        case AttachFile() if known is not None:
            return []
        case AttachFile(most_files=most) if len(state.files) >= most:
            raise Refused(f"The knowledge base has {most} files, which is the most.", fix="Detach one first.")
        case AttachFile(file_id=file_id, attachment_id=attachment_id, actor=actor):
            return [KnowledgeBaseFileAttached(file_id=file_id, attachment_id=attachment_id, actor=actor)]
        case DetachFile() if known is None:
            raise NotFound("The file is not attached to the knowledge base.", field="fileId", fix="List its files.")
        case DetachFile(file_id=file_id, actor=actor):
            return [KnowledgeBaseFileDetached(file_id=file_id, actor=actor)]


KNOWLEDGE_BASE: ConfigurationAggregate = replaced(
    configuration("knowledge_base", CONFIGURED), state_type=KnowledgeBaseState, evolve=evolve
)
KNOWLEDGE_BASE_FILES: Aggregate[Configuration, FilesCommand] = Aggregate(
    kind="knowledge_base",
    state_type=KnowledgeBaseState,
    evolve=evolve,
    decide=decide_on_files,
    keys=keys_of_configuration,
)
