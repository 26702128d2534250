"""``/reporting/board``: insights and other figures side by side."""

from __future__ import annotations

from typing import Final

from api.configuration.references import Reference
from api.configuration.resource import Resource
from api.models.board import BoardBody
from api.models.filters import PagedFilters
from domain.configuration.kinds import CONFIGURATIONS

BOARDS: Final = Resource(
    aggregate=CONFIGURATIONS["board"],
    path="/reporting/board",
    noun="board",
    tag="Boards",
    body=BoardBody,
    style="page",
    filters=PagedFilters,
    references=(Reference("items.*.insightId", "insight"),),
    shows={"systemKey": {"type": "string"}},
)
