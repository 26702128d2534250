"""The language that the caller speaks, as far as the transcriber tells."""

from __future__ import annotations

from typing import Final

from domain.call.events import LanguageChanged
from media.machine.inputs import FinalHeard
from media.machine.language_plan import base
from media.machine.moment import Moment
from media.machine.speaking_plans import words_of

LEAST_WORDS: Final = 2
"""One word is too little to tell a change of language by: names and loan words are in every one."""


def heard(m: Moment, final: FinalHeard) -> None:
    """A fragment of speech: note its language, and tell where it is another one than before."""
    language = base(final.language)
    before = m.state.language
    if not language or language == before or m.state.end_reason is not None:
        return
    if before and len(words_of(final.text)) < LEAST_WORDS:
        return
    m.set(language=language)
    if before:
        m.record(LanguageChanged(language=language, from_language=before, at_ms=m.now))
        m.notify("language-change-detected", language=language)
