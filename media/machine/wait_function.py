"""``smartEndpointingPlan.waitFunction``: a small arithmetic language, parsed once and evaluated without ``eval``.

Variables ``x`` (how likely it is that the speaker goes on, 0 to 1) and ``t`` (seconds since the last speech), the
operators ``+ - * / % ^``, comparisons, the ternary ``a ? b : c``, and ``sqrt exp log abs pow min max``. The value is
a wait in milliseconds.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from itertools import pairwise

MAX_LENGTH = 500
MAX_DEPTH = 60
MAX_WAIT_MS = 15_000.0

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_COMPARE: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "abs": abs,
    "pow": math.pow,
    "min": min,
    "max": max,
}
_PYTHON = re.compile(r"\b(?:if|else)\b")
_ALLOWED = re.compile(r"[\w\s.+\-*/%^(),<>=!?:]*")


class WaitFunctionInvalid(ValueError):
    """The text is not an expression of this language; the message says what is wrong."""


class WaitFunction:
    """A parsed expression."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise WaitFunctionInvalid(f"is longer than {MAX_LENGTH} characters")
        if not _ALLOWED.fullmatch(text):
            raise WaitFunctionInvalid("contains a character that the expression language does not know")
        if "**" in text or _PYTHON.search(text):
            raise WaitFunctionInvalid("is written in another language: a power is ^, a condition a ? b : c")
        try:
            self._tree = ast.parse(_python(text.strip()), mode="eval").body
            _check(self._tree)
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise WaitFunctionInvalid("cannot be parsed") from error
        self.text = text

    def wait_ms(self, x: float, t: float = 0.0) -> float | None:
        """The wait, held between 0 and 15 s; ``None`` where the arithmetic has no finite value."""
        try:
            value = float(_evaluate(self._tree, {"x": x, "t": t}))
        except (ArithmeticError, ValueError, TypeError):
            return None
        return min(max(value, 0.0), MAX_WAIT_MS) if math.isfinite(value) else None


def _python(text: str) -> str:
    """The same expression in Python's grammar: ``^`` is a power, ``a ? b : c`` a conditional."""
    questions = _outside_brackets(text, "?")
    if not questions:
        return _inside_brackets(text).replace("^", "**")
    depth = 0
    for index in range(questions[0] + 1, len(text)):
        if index in questions:
            depth += 1
        elif text[index] == ":" and text[:index].count("(") == text[:index].count(")"):
            if depth == 0:
                parts = text[: questions[0]], text[questions[0] + 1 : index], text[index + 1 :]
                condition, then, otherwise = (_python(part.strip()) for part in parts)
                return f"(({then}) if ({condition}) else ({otherwise}))"
            depth -= 1
    raise WaitFunctionInvalid("has a ? without its :")


def _inside_brackets(text: str) -> str:
    """Convert what stands in brackets, argument by argument."""
    converted, rest = "", text
    while (opened := rest.find("(")) >= 0:
        closed = next(iter(_outside_brackets(rest[opened + 1 :], ")", closing=True)), None)
        if closed is None:
            raise WaitFunctionInvalid("has a bracket that is not closed")
        inner = rest[opened + 1 : opened + 1 + closed]
        cuts = [-1, *_outside_brackets(inner, ","), len(inner)]
        arguments = (_python(inner[left + 1 : right].strip()) for left, right in pairwise(cuts))
        converted += f"{rest[:opened]}({', '.join(arguments)})"
        rest = rest[opened + closed + 2 :]
    return converted + rest


def _outside_brackets(text: str, wanted: str, *, closing: bool = False) -> list[int]:
    """Where a character stands at the outermost level; ``closing`` looks for the bracket that ends this level."""
    depth, found = 0, []
    for index, character in enumerate(text):
        if character == wanted and depth == 0:
            found.append(index)
            if closing:
                break
        depth += (character == "(") - (character == ")")
    return found


def _check(node: ast.expr, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise WaitFunctionInvalid(f"is nested more than {MAX_DEPTH} levels deep")
    for part in _parts(node):
        _check(part, depth + 1)


def _parts(node: ast.expr) -> list[ast.expr]:
    """The operands of a node that the language knows."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return []
        case ast.Name(id="x" | "t"):
            return []
        case ast.BinOp(left, op, right) if type(op) in _BINARY:
            return [left, right]
        case ast.UnaryOp(op, operand) if type(op) in _UNARY:
            return [operand]
        case ast.Compare(left, [op], [right]) if type(op) in _COMPARE:
            return [left, right]
        case ast.IfExp(test, body, orelse):
            return [test, body, orelse]
        case ast.Call(ast.Name(id=name), args, []) if name in _FUNCTIONS and args:
            return args
        case _:
            raise WaitFunctionInvalid("contains something other than numbers, x, t, operators and known functions")


def _evaluate(node: ast.expr, names: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left, op, right):
            return _BINARY[type(op)](_evaluate(left, names), _evaluate(right, names))
        case ast.UnaryOp(op, operand):
            return _UNARY[type(op)](_evaluate(operand, names))
        case ast.Compare(left, [op], [right]):
            return float(_COMPARE[type(op)](_evaluate(left, names), _evaluate(right, names)))
        case ast.IfExp(test, body, orelse):
            return _evaluate(body if _evaluate(test, names) else orelse, names)
        case ast.Call(ast.Name(id=name), args):
            return _FUNCTIONS[name](*(_evaluate(argument, names) for argument in args))
    raise AssertionError("checked when parsed")
