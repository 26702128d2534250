"""Telephone numbers in ITU-T E.164 form, and whom a phone call reaches."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import Field, ValidationInfo, field_validator

from api.models.base import Closed, violation

_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}", re.ASCII)


class CheckedNumber(Closed):
    """An object with a telephone number, which is checked unless the object says not to."""

    number_e164_check_enabled: bool | None = None
    number: Annotated[str, Field(min_length=3, max_length=40)] | None = None

    @field_validator("number")
    @classmethod
    def _in_e164(cls, value: str | None, info: ValidationInfo) -> str | None:
        checked = info.data.get("number_e164_check_enabled") is not False
        if value is not None and checked and "{{" not in value and not _E164.fullmatch(value):
            raise violation("INVALID_FORMAT", "must be a valid phone number in the E.164 format, such as +14155552671")
        return value
