"""libespeak-ng through ctypes. Only ever imported inside the voice worker process.

espeak-ng is GPL-3.0-or-later and keeps global state (one utterance at a time per process), so neither its library nor
the package that carries it is loaded into the main process; text goes out and audio comes back over a pipe.
The constants are those of ``espeak-ng/speak_lib.h``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_BUFFER_MS = 40
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_OK = 0

INSTALL_HINT = (
    "the espeak-ng synthesiser is not installed: install the extra with `pip install 'callfold[espeak]'` "
    "(GPL-3.0, runs in a process of its own), or choose another voice provider"
)


class EspeakUnavailable(Exception):
    """The library or its data is not on this machine; the message says what to install."""


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


Word = tuple[int, int, int]
"""Audio position in ms, first character (from 0), number of characters."""

Sink = Callable[[bytes, list[Word]], bool]
"""Takes audio (s16le mono at ``Espeak.rate_hz``) and the words that begin in it; returns True to stop."""


class Espeak:
    """One synthesiser. ``rate_hz`` is what the library gives (22050)."""

    def __init__(self) -> None:
        library, data_path = _locate()
        try:
            self._library: Any = ctypes.CDLL(library)
        except OSError as error:
            raise EspeakUnavailable(f"{INSTALL_HINT} ({error})") from error
        self._library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        self._library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        path = data_path.encode() if data_path else None
        self.rate_hz = int(self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, path, 0))
        if self.rate_hz <= 0:
            raise EspeakUnavailable(f"espeak-ng does not start: no usable voice data at {data_path!r}. {INSTALL_HINT}")
        callback_type = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._callback = callback_type(self._on_audio)
        self._library.espeak_SetSynthCallback(self._callback)
        self._sink: Sink | None = None
        self._setting: tuple[str, int, int] | None = None

    def speak(self, text: str, voice: str, words_per_minute: int, pitch: int, sink: Sink) -> None:
        """Synthesise ``text`` into ``sink`` before returning. Raises ``ValueError`` for a voice that does not exist."""
        setting = (voice, words_per_minute, pitch)
        if self._setting != setting:
            if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
                raise ValueError(f"espeak-ng has no voice named {voice!r}")
            self._library.espeak_SetParameter(_PARAMETER_RATE, words_per_minute, 0)
            self._library.espeak_SetParameter(_PARAMETER_PITCH, pitch, 0)
            self._setting = setting
        self._sink = sink
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)

    def _on_audio(self, samples: Any, count: int, events: Any) -> int:
        words: list[Word] = []
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == _EVENT_WORD:
                words.append((event.audio_position, event.text_position - 1, event.length))
            index += 1
        audio = ctypes.string_at(samples, count * 2) if samples and count > 0 else b""
        assert self._sink is not None
        return 1 if self._sink(audio, words) else 0


def _locate() -> tuple[str, str | None]:
    """Path of the library and of its voice data (None: the library's own default)."""
    try:
        import espeakng_loader
    except ImportError:
        return "libespeak-ng.so.1", None
    return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
