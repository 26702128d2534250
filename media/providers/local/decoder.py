"""PocketSphinx decoders for one assistant's language. Only imported inside the recogniser worker process."""

from __future__ import annotations

import hashlib
import io
import math
import tempfile
from collections import OrderedDict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pocketsphinx
from numpy.typing import NDArray
from pocketsphinx.lm import ArpaBoLM

from media.providers.local.language.pronunciation import dictionary_lines, load_dictionary

FRAME_MS = 10
"""PocketSphinx analyses 100 frames a second."""

CACHED_LANGUAGES = 24

NOISE_RMS = 80.0
"""White noise in steps of a 16-bit sample, added to everything that is decoded. Digital silence upsets the recogniser's
front end: without a noise floor it makes several times as many word errors on clean speech."""

_NOISE_SAMPLES = 16_000
_DISCOUNT_MASS = 0.3
"""Share of probability left to word sequences that were not among the sentences."""

_WORD_INSERTION_PENALTY = 0.4

_CEPSTRAL_MEAN = "59.09,-4.19,-4.36,15.13,-5.07,-1.29,-10.15,-11.41,-2.05,-4.15,3.33,-4.47,-2.18"
"""Where the front end's running mean starts: what it settles at on speech at telephone level with our noise floor. From
the library's own start the first utterance of a call has three times as many word errors."""

UNDERSTOOD_CONFIDENCE = 0.5

_END = "</s>"

_BIAS = -5.7
_OF_SCORE = 20.8
_OF_ORDER = 5.55
_OF_POSTERIOR = 4.4
"""A logistic regression of finals that were heard word for word against finals with two words in five wrong: 1,180
finals in four synthetic voices to five assistants, about their subjects, about everyday things and about anything else.
Of 594 finals of other voices, assistants and sentences, which nothing was tuned to, it refuses 1.5 % of the right ones
and lets 8.9 % of the wrong ones pass."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One word; times in ms from the first decoded sample."""

    word: str
    start_ms: float
    end_ms: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was decoded. ``score`` is the natural log likelihood per frame, ``order`` the mean length (1 to 3) of the
    word sequences of the language model that it is made of."""

    text: str
    score: float
    order: float
    words: tuple[Segment, ...]


class NoiseFloor:
    """Adds the same pseudo-random noise to every utterance, so that the same sound is always heard the same way."""

    def __init__(self) -> None:
        generator = np.random.default_rng(20_260_101)
        self._noise = generator.normal(0.0, NOISE_RMS, _NOISE_SAMPLES).astype(np.int32)
        self._at = 0

    def restart(self, *, other: bool = False) -> None:
        """A new utterance begins; ``other`` noise for one that is decoded once more."""
        self._at = _NOISE_SAMPLES // 2 if other else 0

    def add(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, "<i2").astype(np.int32)
        return (samples + self._take(len(samples))).clip(-32768, 32767).astype("<i2").tobytes()

    def _take(self, count: int) -> NDArray[np.int32]:
        at = np.arange(self._at, self._at + count) % _NOISE_SAMPLES
        self._at = (self._at + count) % _NOISE_SAMPLES
        return self._noise[at]


@dataclass(frozen=True, slots=True)
class _Language:
    """A dictionary and a language model as the decoder's files have them."""

    dictionary: str
    model: str


class Languages:
    """Compiled language models and dictionaries, one per set of sentences."""

    def __init__(self) -> None:
        pocketsphinx.set_loglevel("FATAL")
        self._model = Path(pocketsphinx.get_model_path("en-us"))
        self._dictionary = load_dictionary(self._model / "cmudict-en-us.dict")
        self._compiled: OrderedDict[bytes, _Language] = OrderedDict()

    @property
    def vocabulary(self) -> Container[str]:
        """Every word whose pronunciation is known."""
        return self._dictionary.keys()

    def domain_decoder(self, lines: Sequence[str]) -> pocketsphinx.Decoder:
        """A decoder for one call that expects sentences made of these; words it cannot pronounce are not expected."""
        language = self._language(lines)
        # The library reads files only; they live no longer than that, so a killed process leaves nothing behind.
        with tempfile.TemporaryDirectory(prefix="callfold-recogniser-") as folder:
            dictionary, model = Path(folder, "words.dict"), Path(folder, "sentences.lm")
            dictionary.write_text(language.dictionary, encoding="utf-8")
            model.write_text(language.model, encoding="utf-8")
            return self._decoder(
                dict=str(dictionary), lm=str(model), wip=_WORD_INSERTION_PENALTY, cmninit=_CEPSTRAL_MEAN
            )

    def _decoder(self, **options: Any) -> pocketsphinx.Decoder:
        return pocketsphinx.Decoder(pocketsphinx.Config(hmm=str(self._model / "en-us"), **options))

    def _language(self, lines: Sequence[str]) -> _Language:
        key = hashlib.blake2b("\n".join(lines).encode(), digest_size=16).digest()
        language = self._compiled.get(key)
        if language is None:
            language = self._compiled[key] = self._compile(lines)
            if len(self._compiled) > CACHED_LANGUAGES:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return language

    def _compile(self, lines: Sequence[str]) -> _Language:
        entries = dictionary_lines({word for line in lines for word in line.split()}, self._dictionary)
        known = {entry.partition(" ")[0].partition("(")[0] for entry in entries}
        model = ArpaBoLM(add_start=True, discount_mass=_DISCOUNT_MASS)
        model.read_corpus(line for line in lines if known.issuperset(line.split()))
        model.compute()
        text = io.StringIO()
        model.write(text)
        return _Language("\n".join(entries) + "\n", text.getvalue())


def partial_text(decoder: pocketsphinx.Decoder) -> str:
    """What the running utterance looks like now."""
    hypothesis = decoder.hyp()
    return str(hypothesis.hypstr) if hypothesis is not None else ""


def finish(decoder: pocketsphinx.Decoder) -> Hypothesis:
    """End the running utterance (the slow passes happen here) and read the result."""
    decoder.end_utt()
    hypothesis = decoder.hyp()
    if hypothesis is None or not hypothesis.hypstr:
        return Hypothesis("", -math.inf, 0.0, ())
    frames = max(int(decoder.n_frames()), 1)
    likelihood = float(hypothesis.best_score)
    # The library hands the likelihood out of its log domain; a long unlikely utterance underflows to zero there.
    score = math.log(likelihood) / frames if likelihood > 0.0 else -math.inf
    segments = [segment for segment in decoder.seg() if segment.word == _END or segment.word[0] not in "<["]
    words = tuple(
        Segment(
            segment.word.partition("(")[0],
            float(segment.start_frame * FRAME_MS),
            float((segment.end_frame + 1) * FRAME_MS),
            min(max(float(segment.prob), 0.0), 1.0),
        )
        for segment in segments
        if segment.word != _END
    )
    order = fmean(int(segment.lback) for segment in segments) if segments else 0.0
    return Hypothesis(str(hypothesis.hypstr), score * 100, order, words)


def confidence(hypothesis: Hypothesis) -> float:
    """How sure it is that the words are those that were said, in 0..1.

    Speech that the language does not cover is heard as words that it has all the same. They betray themselves: they
    fit the sound badly (``score``), their sequence is one that the language hardly knows (``order``), and other words
    would have fitted as well (the posteriors of the words)."""
    words = hypothesis.words
    if not words or not math.isfinite(hypothesis.score):
        return 0.0
    evidence = (
        _BIAS
        + _OF_SCORE * hypothesis.score
        + _OF_ORDER * hypothesis.order
        + _OF_POSTERIOR * fmean(word.confidence for word in words)
    )
    return 1.0 / (1.0 + math.exp(-evidence))
