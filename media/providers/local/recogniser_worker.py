"""The recogniser worker process: callers' audio in, their words out. Run with ``python -m``."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Container
from typing import Any

import msgspec

from media.providers.local.language.phrases import caller_sentences
from media.providers.local.messages import (
    CloseRecognition,
    Failed,
    FinalizeRecognition,
    HeardAudio,
    OpenRecognition,
    PrepareRecognition,
    Ready,
    ToWorker,
)
from media.providers.local.worker_inbox import Pipe

logger = logging.getLogger(__name__)

INSTALL_HINT = (
    "the PocketSphinx recogniser is not installed: install the extra with `pip install 'callfold[embedded]'`, "
    "or choose another transcriber provider"
)
CACHED_ASSISTANTS = 24


class _Assistants:
    """The sentences of assistants seen lately."""

    def __init__(self, vocabulary: Container[str]) -> None:
        self._vocabulary = vocabulary
        self._sentences: OrderedDict[bytes, tuple[str, ...]] = OrderedDict()

    def sentences(self, source: dict[str, Any]) -> tuple[str, ...]:
        key = msgspec.msgpack.encode(source)
        found = self._sentences.get(key)
        if found is None:
            found = self._sentences[key] = caller_sentences(source, self._vocabulary)
            if len(self._sentences) > CACHED_ASSISTANTS:
                self._sentences.popitem(last=False)
        return found


def main() -> None:
    """Serve until the parent closes the pipe."""
    pipe = Pipe()
    try:
        from media.providers.local.decoder import Languages, NoiseFloor
        from media.providers.local.listener import Listener
    except ImportError as error:
        pipe.send(Ready(unavailable=f"{INSTALL_HINT} ({error})"))
        return
    languages = Languages()
    assistants = _Assistants(languages.vocabulary)
    listeners: dict[int, Listener] = {}

    def handle(message: ToWorker) -> None:
        match message:
            case PrepareRecognition():
                languages.domain_decoder(assistants.sentences(message.assistant))
            case OpenRecognition():
                decoder = languages.domain_decoder(assistants.sentences(message.assistant))
                listeners[message.stream] = Listener(message.stream, decoder, NoiseFloor(), pipe.send)
            case HeardAudio():
                if (listener := listeners.get(message.stream)) is not None:
                    listener.feed(message.pcm)
            case FinalizeRecognition():
                if (listener := listeners.get(message.stream)) is not None:
                    listener.finalize()
            case CloseRecognition():
                listeners.pop(message.stream, None)

    pipe.send(Ready())
    while (message := pipe.receive()) is not None:
        try:
            handle(message)
        except (RuntimeError, ValueError, OSError) as error:
            # What the decoder and the disk raise: this caller's stream is lost, the others are not.
            logger.exception("recognition_failed")
            listeners.pop(message.stream, None)
            pipe.send(Failed(message.stream, f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
