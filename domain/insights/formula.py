"""Formulas over the results of queries: parsed once into a small tree, evaluated without ever running what was sent.

The syntax is the arithmetic of https://mathjs.org/docs/expressions/syntax.html: ``+ - * / % ^``, comparisons (1 or 0),
parentheses, numbers, and a few functions. A query's result stands as ``{{name}}``, ``{{['any name']}}``, ``{{[any
name]}}``, or plainly where its name is a word. There are no assignments, strings, units, or functions of one's own.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

LONGEST: Final = 1000
DEEPEST: Final = 50
"""Parentheses within parentheses, and signs before signs."""


class FormulaInvalid(Exception):
    """What is wrong with a formula, and where: a phrase that continues its path."""


@dataclass(frozen=True)
class Number:
    """A literal."""

    value: float


@dataclass(frozen=True)
class Result:
    """The result of the query of this name."""

    query: str


@dataclass(frozen=True)
class Applied:
    """A function or operator and what it is applied to."""

    function: str
    arguments: tuple[Expression, ...]


Expression = Number | Result | Applied


@dataclass(frozen=True)
class Function:
    """``most`` arguments at most, ``least`` at least."""

    compute: Callable[..., float]
    least: int
    most: int


def _round(value: float, digits: float = 0) -> float:
    """Halves away from zero, as people do it, not to even as Python does."""
    places = int(digits)
    if places != digits or not 0 <= places <= 15:
        raise ValueError("digits")
    scaled = abs(value) * 10**places
    return math.copysign(math.floor(scaled + 0.5) / 10**places, value)


def _power(base: float, exponent: float) -> float:
    # math.pow refuses what has no real result, where ** would give a complex number.
    return math.pow(base, exponent)


def _log(value: float, base: float = math.e) -> float:
    return math.log(value, base)


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "round": Function(_round, 1, 2),
        "floor": Function(math.floor, 1, 1),
        "ceil": Function(math.ceil, 1, 1),
        "abs": Function(abs, 1, 1),
        "sqrt": Function(math.sqrt, 1, 1),
        "log": Function(_log, 1, 2),
        "min": Function(min, 1, 20),
        "max": Function(max, 1, 20),
    }
)

_OPERATORS: Final[Mapping[str, Callable[..., float]]] = MappingProxyType(
    {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "%": operator.mod,
        "^": _power,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
        "negative": operator.neg,
    }
)
_LEVELS: Final = (("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
"""Operators between two things from the loosest to the tightest, each level from the left."""

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | \{\{\s*(?:\[\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<bare>[^\]'"]*?))\s*\]|(?P<inside>[^}\[]*?))\s*\}\}
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<mark><=|>=|==|!=|[-+*/%^<>(),])
      | (?P<end>$)
    )""",
    re.VERBOSE,
)


def parse_formula(text: str, queries: Collection[str]) -> Expression:
    """The tree of a formula over the results of ``queries``. Raises ``FormulaInvalid``."""
    if not 0 < len(text) <= LONGEST:
        raise FormulaInvalid(f"must have 1 to {LONGEST} characters")
    parser = _Parser(_tokens(text), frozenset(queries))
    expression = parser.comparison()
    if parser.next[0] != "end":
        raise FormulaInvalid(f"has {parser.next[1]!r} where an operator was expected")
    if not parser.references:
        raise FormulaInvalid(f"must refer to at least one query, such as {{{{['{next(iter(queries), 'name')}']}}}}")
    return expression


def evaluate(expression: Expression, results: Mapping[str, float | None]) -> float | None:
    """The value for these results; none where one of them is none, or where there is no number (a division by zero)."""
    try:
        value = _value(expression, results)
    except (ArithmeticError, ValueError, TypeError):
        return None
    return value if math.isfinite(value) else None


def _value(expression: Expression, results: Mapping[str, float | None]) -> float:
    """Without calling itself: a long sum is a deep tree."""
    values: list[float] = []
    pending: list[Expression | tuple[Callable[..., float], int]] = [expression]
    while pending:
        match pending.pop():
            case Number(value):
                values.append(value)
            case Result(query):
                found = results.get(query)
                if found is None:
                    raise ValueError(query)
                values.append(float(found))
            case Applied(function, arguments):
                known = FUNCTIONS.get(function)
                pending.append((known.compute if known else _OPERATORS[function], len(arguments)))
                pending.extend(reversed(arguments))
            case compute, count:
                values[-count:] = [float(compute(*values[-count:]))]
    return values[0]


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while not found or found[-1][0] != "end":
        matched = _TOKEN.match(text, at)
        if matched is None:
            rest = text[at:].lstrip()[:20]
            raise FormulaInvalid(
                f"has {rest!r}, which is none of numbers, {{{{query}}}}, + - * / % ^ ( ), comparisons and "
                + ", ".join(FUNCTIONS)
            )
        kind = str(matched.lastgroup)
        name = "query" if kind in {"single", "double", "bare", "inside"} else kind
        found.append((name, matched[kind].strip()))
        at = matched.end()
    return found


class _Parser:
    """Recursive descent, bounded in depth; ``references`` are the queries that were met."""

    def __init__(self, tokens: Sequence[tuple[str, str]], queries: frozenset[str]) -> None:
        self._tokens = tokens
        self._queries = queries
        self._at = 0
        self._depth = 0
        self.references: set[str] = set()

    @property
    def next(self) -> tuple[str, str]:
        """The token that comes next."""
        return self._tokens[self._at]

    def comparison(self, level: int = 0) -> Expression:
        """Operators of this level and everything tighter."""
        if level == len(_LEVELS):
            return self._signed()
        left = self.comparison(level + 1)
        while self.next[0] == "mark" and self.next[1] in _LEVELS[level]:
            sign = self._take()
            left = Applied(sign, (left, self.comparison(level + 1)))
        return left

    def _signed(self) -> Expression:
        """A sign is looser than a power: ``-2^2`` is -4."""
        if self.next not in {("mark", "-"), ("mark", "+")}:
            return self._power()
        sign = self._take()
        with_depth = self._deeper(self._signed)
        return Applied("negative", (with_depth,)) if sign == "-" else with_depth

    def _power(self) -> Expression:
        base = self._single()
        if self.next != ("mark", "^"):
            return base
        self._take()
        return Applied("^", (base, self._deeper(self._signed)))

    def _single(self) -> Expression:
        kind, text = self.next
        match kind:
            case "number":
                return Number(float(self._take()))
            case "query":
                return self._reference(self._take())
            case "word":
                return self._word(self._take())
            case "mark" if text == "(":
                self._take()
                inner = self._deeper(self.comparison)
                self._expect(")")
                return inner
            case _:
                raise FormulaInvalid(
                    f"has {text!r} where a number, a query or ( was expected" if text else "ends early"
                )

    def _word(self, word: str) -> Expression:
        if self.next != ("mark", "("):
            return self._reference(word)
        function = FUNCTIONS.get(word)
        if function is None:
            raise FormulaInvalid(f"has no function {word}; there are {', '.join(FUNCTIONS)}")
        self._take()
        arguments = [self._deeper(self.comparison)]
        while self.next == ("mark", ","):
            self._take()
            arguments.append(self._deeper(self.comparison))
        self._expect(")")
        if not function.least <= len(arguments) <= function.most:
            bounds = f"{function.least} to {function.most}" if function.most > function.least else f"{function.least}"
            raise FormulaInvalid(f"gives {word} {len(arguments)} arguments; it takes {bounds}")
        return Applied(word, tuple(arguments))

    def _reference(self, name: str) -> Expression:
        if name not in self._queries:
            raise FormulaInvalid(f"refers to {name!r}; the queries are {', '.join(sorted(self._queries))}")
        self.references.add(name)
        return Result(name)

    def _deeper(self, parse: Callable[[], Expression]) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FormulaInvalid(f"is nested deeper than {DEEPEST} levels")
        inner = parse()
        self._depth -= 1
        return inner

    def _expect(self, sign: str) -> None:
        if self.next != ("mark", sign):
            raise FormulaInvalid(f"misses {sign}")
        self._take()

    def _take(self) -> str:
        text = self._tokens[self._at][1]
        self._at += 1
        return text
