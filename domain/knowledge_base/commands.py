"""What can be asked of a knowledge base, beside what can be asked of every configuration."""

from __future__ import annotations

import msgspec


class AttachFile(msgspec.Struct, frozen=True, kw_only=True):
    """Search the file with this base. One that is attached already stays as it is."""

    org_id: str
    file_id: str
    attachment_id: str
    most_files: int
    actor: str = ""


class DetachFile(msgspec.Struct, frozen=True, kw_only=True):
    """Search the file with this base no more."""

    org_id: str
    file_id: str
    actor: str = ""


FilesCommand = AttachFile | DetachFile
