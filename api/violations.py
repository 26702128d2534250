"""From pydantic's findings to the messages and issue codes of Vapi's validation errors.

The message style is that of class-validator: the dotted path first, array positions as bare numbers
(``model.messages.0.content must be a string``), rules on the items of a list of plain values as
``each value in toolIds must be a UUID``, and an unknown field as ``model.property foo should not exist``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import ErrorDetails

from api.errors import Issue

VARIANT_MARK: Final = "\x00"
"""Union tags start with this, so that they can be taken out of the location that pydantic reports."""

_PLAIN: Final[Mapping[str, tuple[str, str]]] = {
    "string_type": ("INVALID_TYPE", "must be a string"),
    "bool_type": ("INVALID_TYPE", "must be a boolean value"),
    "bool_parsing": ("INVALID_TYPE", "must be a boolean value"),
    "float_type": ("INVALID_TYPE", "must be a number"),
    "float_parsing": ("INVALID_TYPE", "must be a number"),
    "int_type": ("INVALID_TYPE", "must be an integer number"),
    "int_parsing": ("INVALID_TYPE", "must be an integer number"),
    "int_from_float": ("INVALID_TYPE", "must be an integer number"),
    "finite_number": ("INVALID_VALUE", "must be a finite number"),
    "list_type": ("INVALID_TYPE", "must be an array"),
    "dict_type": ("INVALID_TYPE", "must be an object"),
    "model_type": ("INVALID_TYPE", "must be an object"),
    "model_attributes_type": ("INVALID_TYPE", "must be an object"),
    "missing": ("FIELD_REQUIRED", "is required"),
    "none_required": ("INVALID_VALUE", "must be null"),
    "datetime_type": ("INVALID_FORMAT", "must be a valid ISO 8601 date string"),
    "datetime_parsing": ("INVALID_FORMAT", "must be a valid ISO 8601 date string"),
    "datetime_from_date_parsing": ("INVALID_FORMAT", "must be a valid ISO 8601 date string"),
    "datetime_object_invalid": ("INVALID_FORMAT", "must be a valid ISO 8601 date string"),
    "timezone_aware": ("INVALID_FORMAT", "must be an ISO 8601 date string with a time zone, such as a final Z"),
}


def issues(errors: Iterable[ErrorDetails], *, source: str = "body", prefix: Sequence[str] = ()) -> list[Issue]:
    """One issue per finding. ``source`` is the root of the pointers: ``body``, ``query`` or ``param``."""
    return [_issue(error, source, prefix) for error in errors]


def _issue(error: ErrorDetails, source: str, prefix: Sequence[str]) -> Issue:
    unknown = error["type"] == "extra_forbidden"
    # The last part of an unknown field's location is the client's own text, whatever it begins with.
    own, given = (error["loc"][:-1], error["loc"][-1:]) if unknown else (error["loc"], ())
    location = [*prefix, *(part for part in own if not str(part).startswith(VARIANT_MARK)), *given]
    pointer = "/" + "/".join([source, *(str(part).replace("~", "~0").replace("/", "~1") for part in location)])
    if unknown:
        path = ".".join(str(part) for part in [*location[:-1], f"property {location[-1]}"])
        return Issue("FIELD_NOT_ALLOWED", f"{path} should not exist", pointer)
    code, rule = _rule(error)
    return Issue(code, f"{_subject(location)} {rule}", pointer)


def _subject(location: Sequence[str | int]) -> str:
    if not location:
        return "the request body"
    if len(location) > 1 and isinstance(location[-1], int):
        return f"each value in {'.'.join(str(part) for part in location[:-1])}"
    return ".".join(str(part) for part in location)


def _rule(error: ErrorDetails) -> tuple[str, str]:
    kind = error["type"]
    if kind in _PLAIN:
        return _PLAIN[kind]
    context: Mapping[str, Any] = error.get("ctx", {})
    match kind:
        case "greater_than_equal":
            return "OUT_OF_RANGE", f"must not be less than {_number(context['ge'])}"
        case "less_than_equal":
            return "OUT_OF_RANGE", f"must not be greater than {_number(context['le'])}"
        case "string_too_long":
            return "OUT_OF_RANGE", f"must be shorter than or equal to {context['max_length']} characters"
        case "string_too_short":
            return "OUT_OF_RANGE", f"must be longer than or equal to {context['min_length']} characters"
        case "too_long":
            return "OUT_OF_RANGE", f"must contain no more than {context['max_length']} elements"
        case "too_short":
            return "OUT_OF_RANGE", f"must contain at least {context['min_length']} elements"
        case "literal_error":
            choices = str(context["expected"]).replace(" or ", ", ").replace("'", "")
            return "INVALID_CHOICE", f"must be one of the following values: {choices}"
        case "string_pattern_mismatch":
            return "INVALID_FORMAT", f"must match {context['pattern']}"
        case "own_rule":
            return context["code"], context["rule"]
        case _:
            return "INVALID_VALUE", f"is not valid: {error['msg']}"


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else str(value)
