"""How a command says that it could not do its work: one sentence, one exit code, no traceback."""

from __future__ import annotations


class CommandFailed(Exception):
    """``code`` is the exit status: 1 for what went wrong here, 3 for a thing that does not exist."""

    def __init__(self, sentence: str, *, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


def missing(what: str, identifier: str) -> CommandFailed:
    """There is no such thing."""
    return CommandFailed(f"there is no {what} {identifier}", code=3)
