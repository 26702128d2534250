"""Routers that are looked through only for paths that begin like theirs.

The application has hundreds of routes in dozens of routers, and a path is held against one after the other. For a path
that is found late that takes longer than to answer it.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.routing import Match
from starlette.types import Scope

_PARAMETER: Final = "{"


class Section(APIRouter):
    """A router that tells by the first part of a path that it has no route for it."""

    _counted = -1
    _beginnings: frozenset[str] = frozenset()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As the router's own, after a look at the first part. Below a root path every route is looked at."""
        if self._counted != len(self.routes):
            self._counted = len(self.routes)
            self._beginnings = frozenset(_first_part(getattr(route, "path", _PARAMETER)) for route in self.routes)
        begins = _first_part(scope["path"])
        if begins not in self._beginnings and _PARAMETER not in self._beginnings and not scope.get("root_path"):
            return Match.NONE, {}
        return super().matches(scope)


def _first_part(path: str) -> str:
    """``assistant`` of ``/assistant/{id}``; the mark of a parameter for anything that one may stand for."""
    part = path[1:].partition("/")[0]
    return _PARAMETER if _PARAMETER in part else part
