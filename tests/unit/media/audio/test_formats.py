"""Wire formats: mu-law against its definition in ITU-T G.711, and resampling that keeps sound and pace."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.audio.formats import AudioFormat, Decoder, Encoder, UnsupportedFormat, mulaw_decode, mulaw_encode
from media.audio.framing import FRAME_BYTES, FRAME_SAMPLES

samples_of_16_bits = st.integers(-32_768, 32_767)


def g711_levels() -> list[int]:
    """The 128 positive decoder output values of G.711 table 2a, on the 14-bit scale, times 4 for 16 bits.

    Segment s has 16 steps of 2^(s+1); the first value of segment s follows from the sum of the earlier ones.
    """
    return [(((2 * step + 33) << segment) - 33) * 4 for segment in range(8) for step in range(16)]


def encode_one(sample: int) -> int:
    return mulaw_encode(np.array([sample], np.int16))[0]


def decode_one(code: int) -> int:
    return int(mulaw_decode(bytes([code]))[0])


def test_the_decoder_gives_the_values_of_the_standard() -> None:
    # A code is transmitted with all bits inverted: 0xFF is +0, 0x80 the largest positive value.
    positive = [decode_one(0xFF - index) for index in range(128)]
    negative = [decode_one(0x7F - index) for index in range(128)]
    assert positive == g711_levels()
    assert negative == [-value for value in g711_levels()]


@given(samples_of_16_bits)
def test_the_encoder_chooses_a_level_no_farther_than_half_a_step(sample: int) -> None:
    levels = g711_levels()
    clipped = max(-32_635, min(32_635, sample))
    decoded = decode_one(encode_one(sample))
    index = levels.index(abs(decoded))
    widest_step = levels[min(index + 1, 127)] - levels[max(index - 1, 0)]
    assert abs(decoded - clipped) <= widest_step / 2


@given(st.integers(0, 255))
def test_decoding_and_encoding_again_gives_the_same_value(code: int) -> None:
    assert decode_one(encode_one(decode_one(code))) == decode_one(code)


@given(samples_of_16_bits, samples_of_16_bits)
def test_louder_stays_louder(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert decode_one(encode_one(low)) <= decode_one(encode_one(high))


def test_silence_is_all_ones() -> None:
    assert encode_one(0) == 0xFF
    assert decode_one(0xFF) == decode_one(0x7F) == 0


RATES = [3_000, 8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 192_000]


def sine(hz: float, ms: int, amplitude: int = 8_000) -> npt.NDArray[np.int16]:
    time = np.arange(16 * ms) / 16_000
    return (amplitude * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def through(audio_format: AudioFormat, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Out to the wire frame by frame, and back in."""
    encoder, decoder = Encoder(audio_format), Decoder(audio_format)
    wire = [
        encoder.encode(samples[start : start + FRAME_SAMPLES].tobytes())
        for start in range(0, len(samples), FRAME_SAMPLES)
    ]
    return np.frombuffer(b"".join(decoder.decode(piece) for piece in [*wire, encoder.flush()]), np.int16)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("encoding", ["pcm_s16le", "mulaw"])
def test_a_tone_survives_the_wire_at_its_loudness_and_length(encoding: str, rate_hz: int) -> None:
    audio_format = AudioFormat.from_transport({"audioFormat": {"format": encoding, "sampleRate": rate_hz}})
    heard = through(audio_format, sine(440, 1_000))
    assert abs(len(heard) - 16_000) <= 32
    middle = heard[4_000:12_000].astype(float)
    assert middle.std() == pytest.approx(8_000 / np.sqrt(2), rel=0.03)
    strongest = np.abs(np.fft.rfft(middle)).argmax() * 16_000 / len(middle)
    assert strongest == pytest.approx(440, abs=2)


def test_what_the_lower_rate_cannot_carry_is_filtered_out_instead_of_folded_back() -> None:
    heard = through(AudioFormat("pcm_s16le", 8_000), sine(6_000, 1_000))
    assert heard[4_000:12_000].astype(float).std() < 8_000 / np.sqrt(2) / 30


@pytest.mark.parametrize("rate_hz", [8_000, 24_000])
def test_every_frame_on_the_wire_is_twenty_milliseconds_from_the_first_on(rate_hz: int) -> None:
    encoder = Encoder(AudioFormat("pcm_s16le", rate_hz))
    sizes = {len(encoder.encode(bytes(FRAME_BYTES))) for _ in range(50)}
    assert sizes == {rate_hz // 50 * 2}


def test_a_frame_is_on_the_wire_within_a_millisecond_of_its_sound() -> None:
    encoder, decoder = Encoder(AudioFormat("mulaw", 8_000)), Decoder(AudioFormat("mulaw", 8_000))
    loud = sine(440, 20).tobytes()
    decoder.decode(encoder.encode(bytes(FRAME_BYTES)))
    heard = np.frombuffer(decoder.decode(encoder.encode(loud)), np.int16)
    assert np.abs(heard[:80]).max() > 1_000


@given(st.lists(st.integers(1, 700), min_size=1, max_size=40))
def test_how_the_stream_is_cut_does_not_change_the_sound(cuts: list[int]) -> None:
    audio_format = AudioFormat("mulaw", 8_000)
    data = mulaw_encode(sine(300, 500)[::2].copy())
    whole = Decoder(audio_format).decode(data)
    decoder = Decoder(audio_format)
    pieces, start = [], 0
    for cut in cuts:
        pieces.append(decoder.decode(data[start : start + cut]))
        start += cut
    pieces.append(decoder.decode(data[start:]))
    together = np.frombuffer(b"".join(pieces), np.int16).astype(int)
    expected = np.frombuffer(whole, np.int16).astype(int)
    # The interpolator may still hold a sample or two and dithers by itself; what came is the same sound.
    length = min(len(together), len(expected))
    assert length >= len(expected) - 32
    assert np.abs(together[:length] - expected[:length]).max() <= 8


def test_defaults_are_those_of_the_encoding() -> None:
    assert AudioFormat.from_transport({}) == AudioFormat("pcm_s16le", 16_000)
    assert AudioFormat.from_transport({"audioFormat": {"format": "mulaw"}}) == AudioFormat("mulaw", 8_000)


@pytest.mark.parametrize(
    ("given_format", "field"),
    [
        ({"format": "opus"}, "audioFormat.format"),
        ({"format": "pcm_s16le", "sampleRate": 2_999}, "audioFormat.sampleRate"),
        ({"format": "pcm_s16le", "sampleRate": 192_001}, "audioFormat.sampleRate"),
        ({"format": "pcm_s16le", "container": "wav"}, "audioFormat.container"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_field(given_format: dict[str, object], field: str) -> None:
    with pytest.raises(UnsupportedFormat, match=field):
        AudioFormat.from_transport({"audioFormat": given_format})
