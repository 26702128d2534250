"""``/eval``: scripted conversations that an assistant is tested with."""

from __future__ import annotations

from typing import Final

from api.configuration.resource import Resource
from api.models.evals import EvalBody
from api.models.filters import PagedFilters
from domain.configuration.kinds import CONFIGURATIONS


class EvalFilters(PagedFilters):
    """``GET /eval``."""

    id: str | None = None


EVALS: Final = Resource(
    aggregate=CONFIGURATIONS["eval"],
    path="/eval",
    noun="eval",
    tag="Evals",
    body=EvalBody,
    style="page",
    filters=EvalFilters,
    fixed="type",
)
