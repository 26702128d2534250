"""Reading an untyped configuration into typed values, with errors that say which field, why, and how to fix it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

Word = TypeVar("Word", bound=str)


class PlanInvalid(Exception):
    """An assistant's configuration cannot be followed. ``field`` is the dotted wire path at fault."""

    def __init__(self, field: str, reason: str, fix: str) -> None:
        super().__init__(f"{field} {reason}. {fix}")
        self.field = field
        self.reason = reason
        self.fix = fix


class Section:
    """One object of a configuration at a dotted path. Absent and ``null`` fields read as the default."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self.values = values
        self.path = path

    def where(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def section(self, name: str) -> Section:
        """The object at ``name``, empty where there is none."""
        value = self.values.get(name)
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise PlanInvalid(self.where(name), "is not an object", "Send an object or leave it out.")
        return Section(value, self.where(name))

    def sections(self, name: str) -> list[Section]:
        """The objects of the list at ``name``."""
        found = []
        for index, value in enumerate(self._list(name)):
            where = f"{self.where(name)}[{index}]"
            if not isinstance(value, Mapping):
                raise PlanInvalid(where, "is not an object", "Send an object.")
            found.append(Section(value, where))
        return found

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise PlanInvalid(self.where(name), f"is not a number from {low:g} to {high:g}", "Correct the number.")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise PlanInvalid(self.where(name), "is neither true nor false", "Send true or false.")
        return value

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise PlanInvalid(self.where(name), "is not a text", "Send a string.")
        return value

    def choice(self, name: str, default: str, allowed: Iterable[Word]) -> Word:
        """One of ``allowed``; ``default`` may be none of them where the field has to be there."""
        value = self.text(name, default)
        names = tuple(allowed)
        for word in names:
            if word == value:
                return word
        raise PlanInvalid(self.where(name), f"is {value!r}, which is unknown", f"Use one of {', '.join(names)}.")

    def texts(self, name: str) -> tuple[str, ...]:
        values = self._list(name)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise PlanInvalid(f"{self.where(name)}[{index}]", "is not a text", "Send a string.")
        return tuple(values)

    def _list(self, name: str) -> list[Any]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            raise PlanInvalid(self.where(name), "is not a list", "Send a list.")
        return list(value)
