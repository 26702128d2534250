"""``/file``: uploads. How they come in and out again is in ``api.routes.files``."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from api.configuration.resource import Resource
from api.models.file import FileBody, FileFilters
from domain.configuration.state import Configuration
from domain.file.aggregate import FILE

HIDDEN: Final = frozenset({"location", "sha256"})
"""Where the bytes are is nobody's business but ours."""


def _matches(state: Configuration, filters: FileFilters) -> bool:
    purpose = state.config.get("purpose")
    return purpose == filters.purpose if filters.purpose is not None else purpose != "composer-attachment"


def _more(state: Configuration, now: datetime) -> dict[str, Any]:
    return {"object": "file", "status": "done"}


FILES: Final = Resource(
    aggregate=FILE,
    path="/file",
    noun="file",
    tag="Files",
    body=FileBody,
    filters=FileFilters,
    matches=_matches,
    always_filtered=True,
    changeable=frozenset({"name"}),
    more=_more,
    shows={"object": {"const": "file"}, "status": {"enum": ["processing", "done", "failed"]}},
    hidden=HIDDEN,
    warning="files are stored but their text is not extracted by this version",
)
