"""One application for many tests, each over ports of its own.

Making an application's 270 routes takes longer than most tests of them. What it is made of here are not the ports of
one installation but stand-ins, which pass every look and call on to those of whichever test has the application now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from fastapi import FastAPI

from api.app import create_app
from api.dependencies import ApiDependencies, ApiSettings

Current = list[ApiDependencies]
"""What the test has that runs now, alone in its list."""


class StandIn:
    """Is, to whoever asks it anything, the dependency of this name that the test has which runs now."""

    def __init__(self, current: Current, name: str) -> None:
        self._actual: Callable[[], Any] = lambda: getattr(current[0], name)

    @property
    def __class__(self) -> type:
        return type(self._actual())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._actual(), name)

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return self._actual()(*positional, **named)


def application(dependencies: ApiDependencies, name: str = "the test's") -> FastAPI:
    """An application over these, until this is called again with this ``name``: what a test has at a time has names of
    its own.

    A test of streams without an end makes its application itself: the event that ends them belongs to the loop of the
    first test that waits for it.
    """
    absent = frozenset(each.name for each in fields(dependencies) if getattr(dependencies, each.name) is None)
    # Settings, and whether a port is there at all, may decide what is made.
    shape = dependencies.settings, absent, name
    if shape not in _MADE:
        current = [dependencies]
        present = {each.name for each in fields(dependencies)} - absent - {"settings"}
        stand_ins = {name: StandIn(current, name) for name in present}
        _MADE[shape] = current, create_app(replace(dependencies, **stand_ins))
    current, app = _MADE[shape]
    current[:] = [dependencies]
    return app


_MADE: dict[tuple[ApiSettings, frozenset[str], str], tuple[Current, FastAPI]] = {}
