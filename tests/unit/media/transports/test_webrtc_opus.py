"""What is made up for a lost packet is as long as what was lost, whatever the browser puts into one."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from media.audio.framing import SAMPLE_RATE_HZ
from media.transports.webrtc.opus import OpusDecoder


def packets(packet_ms: int) -> list[bytes]:
    """Half a second of a tone as a browser sends it, that many milliseconds in each."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    encoder.time_base = Fraction(1, 48_000)
    encoder.options = {"frame_duration": str(packet_ms), "application": "voip", "vbr": "off"}
    encoder.open()
    time = np.arange(24_000) / 48_000
    sound = (np.sin(2 * np.pi * 300 * time) * 8_000).astype("<i2").reshape(1, -1)
    made = []
    for at in range(0, sound.shape[1], encoder.frame_size):
        piece = np.ascontiguousarray(sound[:, at : at + encoder.frame_size])
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, at
        made += [bytes(packet) for packet in encoder.encode(frame)]
    return made


@pytest.mark.parametrize("packet_ms", [10, 20, 40, 60])
def test_a_guess_is_as_long_as_the_packet_before(packet_ms: int) -> None:
    sent = packets(packet_ms)
    decoder = OpusDecoder()
    try:
        heard = [decoder.decode(packet) for packet in sent[:4]]
        heard.append(decoder.conceal(None))
        heard.append(decoder.conceal(sent[6]))
        heard.append(decoder.decode(sent[6]))
    finally:
        decoder.close()
    assert [len(piece) // 2 for piece in heard] == [packet_ms * SAMPLE_RATE_HZ // 1_000] * 7
