"""Regular expressions that tenants write: found in linear time, whatever the expression and the text.

The engine is RE2 (https://github.com/google/re2/wiki/Syntax), whose syntax and meaning are JavaScript's for what it
has; it has no look-around and no back-references, since those are what makes a search take for ever. JavaScript's
``\\uXXXX`` and ``\\u{X}`` are understood besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import re2

LONGEST_PATTERN: Final = 4_000
_MOST_MEMORY: Final = 2 << 20
_JAVASCRIPT_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|.)", re.DOTALL)
_UNSUPPORTED = re.compile(r"\(\?(?:=|!|<=|<!)|\\[1-9]|\\k<")


class PatternInvalid(ValueError):
    """The expression cannot be used; the message says why, ``fix`` what to write instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class Pattern:
    """A compiled expression. Make it with ``pattern``."""

    __slots__ = ("_compiled", "source")

    def __init__(self, source: str, compiled: Any) -> None:
        self.source = source
        self._compiled = compiled

    def found_in(self, text: str) -> bool:
        """JavaScript's ``RegExp.test``: a match anywhere counts."""
        return self._compiled.search(text) is not None

    def replace(self, text: str, value: Callable[[tuple[str, ...]], str], count: int = 0) -> str:
        """``text`` with the first ``count`` matches (0: all) replaced. ``value`` gets what was matched and then each
        group, empty where it took no part."""
        groups = range(self._compiled.groups + 1)
        replaced: str = self._compiled.sub(
            lambda found: value(tuple(found[number] or "" for number in groups)), text, count
        )
        return replaced

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"


@lru_cache(maxsize=1024)
def pattern(source: str, *, ignore_case: bool = False, multi_line: bool = False, whole_word: bool = False) -> Pattern:
    """Compile ``source``. Raises ``PatternInvalid``."""
    if len(source) > LONGEST_PATTERN:
        raise PatternInvalid(f"is longer than {LONGEST_PATTERN} characters", "Shorten it.")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    flags = ("i" if ignore_case else "") + ("m" if multi_line else "")
    body = _JAVASCRIPT_ESCAPE.sub(_as_re2, source)
    if whole_word:
        body = rf"\b(?:{body})\b"
    try:
        return Pattern(source, re2.compile(f"(?{flags}){body}" if flags else body, options))
    except (re2.error, UnicodeError) as error:
        if _UNSUPPORTED.search(source):
            reason = "uses look-around or a back-reference, which are not supported"
            raise PatternInvalid(reason, "Write it without (?=, (?!, (?<=, (?<! and \\1.") from error
        raise PatternInvalid(f"is not a regular expression: {_words(error)}", "Correct it.") from error


def _as_re2(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return rf"\x{{{code}}}" if code else escape[0]


def _words(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
