"""Building blocks of the request models: strictness, names on the wire, formats, and unions told apart by one field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from api.violations import VARIANT_MARK
from domain.patterns import PatternInvalid, pattern

# Validators are built when they are first needed, or by ``build_models``: building them all takes longer than the rest
# of the import, and a command that serves no requests needs none.
_STRICT: Final = ConfigDict(strict=True, alias_generator=to_camel, allow_inf_nan=False, defer_build=True)


class Closed(BaseModel):
    """An object whose fields are all known. Values are not converted: ``"5"`` is not a number."""

    model_config = ConfigDict(extra="forbid", **_STRICT)


class Open(BaseModel):
    """An object of which we know the core; the rest is the provider's business and is kept as sent."""

    model_config = ConfigDict(extra="allow", **_STRICT)


def violation(code: str, rule: str) -> PydanticCustomError:
    """A finding of our own. ``code`` is an issue code, ``rule`` continues the path: ``must be a UUID``."""
    return PydanticCustomError("own_rule", "{rule}", {"code": code, "rule": rule})


def by_field(field: str, names: Mapping[str, str], other: str) -> Callable[[Any], str]:
    """A discriminator: the variant that ``field`` names, or ``other`` for values known only as pass-through.

    What is not an object at all goes to ``other`` too, whose own check then says so.
    """

    def choose(value: Any) -> str:
        name = value.get(field) if isinstance(value, dict) else getattr(value, field, None)
        return names.get(name, other) if isinstance(name, str) else other

    return choose


def mark(name: str) -> str:
    """The union tag for a variant, recognisable in pydantic's error locations."""
    return f"{VARIANT_MARK}{name}"


def _uuid(value: str) -> str:
    try:
        UUID(value)
    except ValueError:
        raise violation("INVALID_FORMAT", "must be a UUID") from None
    return value


def check_url(value: str) -> str:
    """An absolute web address. Raises the violation."""
    # A template variable may stand anywhere in a URL; such a URL can be judged only once its values are known.
    if "{{" in value:
        return value
    try:
        parts = urlsplit(value)
        acceptable = parts.scheme in {"http", "https", "ws", "wss"} and bool(parts.hostname)
    except ValueError:
        acceptable = False
    if not acceptable:
        raise violation("INVALID_FORMAT", "must be a URL address, such as https://example.com/path")
    return value


_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}.*", re.ASCII | re.DOTALL)
_NO_INSTANT = "must be a valid ISO 8601 date string with a time zone, such as 2026-01-31T09:30:00Z"


def instant(value: object) -> datetime:
    """An RFC 3339 time as an aware datetime. A blank before the offset is a plus sign that a query string ate."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        raise violation("INVALID_FORMAT", _NO_INSTANT)
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+"))
    except ValueError:
        raise violation("INVALID_FORMAT", _NO_INSTANT) from None
    if moment.tzinfo is None:
        raise violation("INVALID_FORMAT", _NO_INSTANT)
    # The outermost years leave no room for another offset or for the arithmetic of bounds.
    if not MINYEAR < moment.year < MAXYEAR:
        raise violation("INVALID_FORMAT", f"must be in one of the years {MINYEAR + 1} to {MAXYEAR - 1}")
    return moment


def check_pattern(value: str) -> str:
    """A regular expression that can be run. Raises the violation."""
    # A template variable may stand anywhere in it; such an expression can be judged only once its values are known.
    if "{{" not in value:
        try:
            pattern(value)
        except PatternInvalid as fault:
            raise violation("INVALID_FORMAT", f"{fault}; {fault.fix}") from None
    return value


def one_of(names: Iterable[str]) -> AfterValidator:
    """One of these names, for fields whose other values lead to other shapes."""
    allowed = tuple(names)

    def check(value: str) -> str:
        if value not in allowed:
            raise violation("INVALID_CHOICE", f"must be one of the following values: {', '.join(allowed)}")
        return value

    return AfterValidator(check)


Identifier = Annotated[str, AfterValidator(_uuid)]
Url = Annotated[str, AfterValidator(check_url)]
Expression = Annotated[str, AfterValidator(check_pattern)]
Instant = Annotated[datetime, BeforeValidator(instant, json_schema_input_type=str)]
Name = Annotated[str, Field(max_length=40)]
Spoken = Annotated[str, Field(max_length=1000)]
"""A text that is spoken as it stands."""
JsonObject = dict[str, Any]
