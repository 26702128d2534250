"""What is known of a knowledge base: its name, and the files that belong to it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.configuration.state import ActiveConfiguration, Configuration, DeletedConfiguration


class AttachedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a knowledge base. ``id`` is that of the tie, not of the file."""

    id: str
    file_id: str
    attached_at: datetime


class KnowledgeBase(ActiveConfiguration, frozen=True, kw_only=True, tag_field="phase", tag="active"):
    """A knowledge base that can be searched. ``files`` are in the order in which they were attached."""

    files: tuple[AttachedFile, ...] = ()


class DeletedKnowledgeBase(DeletedConfiguration, frozen=True, kw_only=True, tag_field="phase", tag="deleted"):
    """A knowledge base that is gone."""

    files: tuple[AttachedFile, ...] = ()


KnowledgeBaseState = KnowledgeBase | DeletedKnowledgeBase


def files_of(state: Configuration) -> tuple[AttachedFile, ...]:
    """The files that belong to a knowledge base."""
    assert isinstance(state, KnowledgeBase | DeletedKnowledgeBase)
    return state.files


def attachment(state: Configuration, file_id: str) -> AttachedFile | None:
    """The tie to this file, if there is one."""
    return next((attached for attached in files_of(state) if attached.file_id == file_id), None)
