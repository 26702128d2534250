"""What can be asked of a file's text, beside what can be asked of every configuration."""

from __future__ import annotations

import msgspec

from domain.file.events import FileTextExtracted, FileTextFailed


class RecordText(msgspec.Struct, frozen=True, kw_only=True):
    """Keep what came of an attempt. Refused where another outcome, or a deletion, came first."""

    outcome: FileTextExtracted | FileTextFailed


class RequestText(msgspec.Struct, frozen=True, kw_only=True):
    """Have it tried again after a failure; while it is being tried that is what is wanted already."""

    org_id: str
    actor: str = ""


TextCommand = RecordText | RequestText
