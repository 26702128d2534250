"""What many chats went on from, as clients read it: each message is written out once, however many lists it stands in.

The chats of one conversation repeat each other: the last of a hundred shows what the ninety-nine before it said, and so
does each of those. A list of them is written in the time that its bytes take to be copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from domain.chat.context import LONGEST_CHAIN, History, Part
from domain.chat.messages import Timed, chat_messages, shown_message, shown_messages
from domain.chat.state import KeptChat

NOTHING = msgspec.Raw(b"[]")


class _Written(NamedTuple):
    """Messages as JSON without the brackets around them, and when the first of them was written."""

    text: bytes = b""
    first: datetime | None = None

    def followed_by(self, messages: Sequence[Timed]) -> _Written:
        if not messages:
            return self
        first = self.first or messages[0].time
        parts = (self.text, *_encoded(messages, first)) if self.text else _encoded(messages, first)
        return _Written(b",".join(parts), first)


class ShownHistory:
    """``messages`` of the chats of one answer. Make one for each look at the log, over the ``history`` of that look."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._up_to: dict[str, _Written] = {}
        self._of_session: dict[tuple[str, datetime], bytes] = {}

    def before(self, chat: KeptChat) -> msgspec.Raw:
        """The JSON array of what ``History.before`` gives."""
        chain = self._history.chain(chat)
        if len(chain) >= LONGEST_CHAIN:
            # Where the oldest are left out, each chat has a beginning of its own.
            return msgspec.Raw(msgspec.json.encode(shown_messages(self._history.before(chat))))
        written = self._chained(chain[::-1]) if chain else self._beginning(chat)
        return msgspec.Raw(b"[%b]" % written.text) if written.text else NOTHING

    def writing(self, chat: KeptChat) -> Iterator[None]:
        """Read and write what ``before`` puts together, a small part at each step: for who must not be kept waiting."""
        yield from self._history.reading(chat)
        chain = self._history.chain(chat)
        yield from self._write_parts(self._session_parts(chain[-1] if chain else chat))
        if 0 < len(chain) < LONGEST_CHAIN:
            for _ in self._written_up_to(chain[::-1]):
                yield

    def _chained(self, oldest_first: Sequence[KeptChat]) -> _Written:
        """Everything up to the last of these."""
        *_, written = self._written_up_to(oldest_first)
        return written

    def _written_up_to(self, oldest_first: Sequence[KeptChat]) -> Iterator[_Written]:
        """Everything up to one of these after the other, from the last one on that is written."""
        known = next(
            (at for at in range(len(oldest_first), 0, -1) if oldest_first[at - 1].identity.id in self._up_to), 0
        )
        written = self._up_to[oldest_first[known - 1].identity.id] if known else self._beginning(oldest_first[0])
        yield written
        for chat in oldest_first[known:]:
            written = self._up_to[chat.identity.id] = written.followed_by(chat_messages(chat))
            yield written

    def _beginning(self, chat: KeptChat) -> _Written:
        """What a chat found in its session."""
        said = self._session_parts(chat)
        if not said:
            return _Written()
        for _ in self._write_parts(said):
            pass
        first = said[0].messages[0].time
        return _Written(b",".join(self._of_session[part.key, first] for part in said), first)

    def _session_parts(self, chat: KeptChat) -> list[Part]:
        return [part for part in self._history.session_parts(chat) if part.messages]

    def _write_parts(self, said: Sequence[Part]) -> Iterator[None]:
        """Those that are not written yet."""
        for part in said:
            key = (part.key, said[0].messages[0].time)
            if key not in self._of_session:
                self._of_session[key] = b",".join(_encoded(part.messages, key[1]))
                yield


def _encoded(messages: Sequence[Timed], first: datetime) -> Iterable[bytes]:
    return [msgspec.json.encode(shown_message(timed, first)) for timed in messages]
