"""PocketSphinx decoders for one assistant's language. Only imported inside the recogniser worker process."""

from __future__ import annotations

import hashlib
import io
import math
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
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

CLEAR_SCORE = -0.42
"""Score per frame from which the domain decoder is trusted without a second opinion."""

GAP_MIDDLE = 0.165
GAP_WIDTH = 0.015
"""By how much (score per frame) the domain decoder must beat the general one, and how sharply confidence falls there.
Measured on synthetic speech of four voices: 0.26 ahead on the median when the language covers the sentence, 0.11 when
it does not."""

CLEAR_CONFIDENCE = 0.95
UNDERSTOOD_CONFIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Segment:
    """One word; times in ms from the first decoded sample."""

    word: str
    start_ms: float
    end_ms: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was decoded; ``score`` is the natural log likelihood per frame."""

    text: str
    score: float
    words: tuple[Segment, ...]


class NoiseFloor:
    """Adds the same pseudo-random noise every time, so that decoding is reproducible."""

    def __init__(self) -> None:
        generator = np.random.default_rng(20_260_101)
        self._noise = generator.normal(0.0, NOISE_RMS, _NOISE_SAMPLES).astype(np.int32)
        self._at = 0

    def add(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, "<i2").astype(np.int32)
        return (samples + self._take(len(samples))).clip(-32768, 32767).astype("<i2").tobytes()

    def alone(self, samples: int) -> bytes:
        return self._take(samples).astype("<i2").tobytes()

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

    def general_decoder(self) -> pocketsphinx.Decoder:
        """A decoder for any English in one quick pass: too inaccurate to be believed, good enough to compare with."""
        return self._decoder(
            dict=str(self._model / "cmudict-en-us.dict"),
            lm=str(self._model / "en-us.lm.bin"),
            cmn="batch",
            fwdflat=False,
            bestpath=False,
            ds=2,
            topn=2,
            maxhmmpf=500,
            maxwpf=5,
            pl_window=8,
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
        return Hypothesis("", -math.inf, ())
    frames = max(int(decoder.n_frames()), 1)
    likelihood = float(hypothesis.best_score)
    # The library hands the likelihood out of its log domain; a long unlikely utterance underflows to zero there.
    score = math.log(likelihood) / frames if likelihood > 0.0 else -math.inf
    words = tuple(
        Segment(
            segment.word.partition("(")[0],
            float(segment.start_frame * FRAME_MS),
            float((segment.end_frame + 1) * FRAME_MS),
            min(max(float(segment.prob), 0.0), 1.0),
        )
        for segment in decoder.seg()
        if segment.word[0] not in "<["
    )
    return Hypothesis(str(hypothesis.hypstr), score * 100, words)


def score_in_one_go(decoder: pocketsphinx.Decoder, pcm: bytes) -> float:
    """How well ``decoder`` can explain a whole utterance."""
    decoder.start_utt()
    decoder.process_raw(pcm, False, True)
    return finish(decoder).score


def confidence(domain: Hypothesis, general_score: Callable[[], float]) -> float:
    """How sure it is that the domain's language covers what was said, in 0..1.

    A clearly good score needs no comparison; anything else must explain the sound better than general English does,
    whose score for the same utterance is only worked out then."""
    if not domain.text:
        return 0.0
    if domain.score > CLEAR_SCORE:
        return CLEAR_CONFIDENCE
    gap = domain.score - general_score()
    if math.isnan(gap):
        return 0.0
    return 1.0 / (1.0 + math.exp(min(max((GAP_MIDDLE - gap) / GAP_WIDTH, -40.0), 40.0)))
