"""What the browser says: RTP packets taken from aiortc in front of its jitter buffer, decoded as they arrive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from media.transports.webrtc.opus import OpusDecoder, OpusFailed
from media.transports.webrtc.reordering import Lost, Reordering

_log = logging.getLogger(__name__)

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
"""aiortc has no public place for this; its version is pinned to those that have the attribute."""


class AiortcChanged(Exception):
    """This version of aiortc is built differently from the one this module was written for."""


class IncomingSpeech:
    """Stands where aiortc's jitter buffer would. ``heard`` gets 16 kHz mono s16le, on the loop."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._decoder: OpusDecoder | None = OpusDecoder()
        self._reordering = Reordering()
        self._malformed = 0
        self.packets = 0
        """Packets that have arrived."""
        self.begun = asyncio.Event()
        """Set with the first of them."""

    def take_over(self, receiver: RTCRtpReceiver) -> None:
        """Put this in the place of the receiver's jitter buffer. Raises ``AiortcChanged``."""
        if not hasattr(receiver, _JITTER_BUFFER):
            raise AiortcChanged("aiortc's audio receiver has no jitter buffer where 1.16 has it")
        setattr(receiver, _JITTER_BUFFER, self)

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """aiortc's call for each packet. The answer never has a frame, so that its decoder thread stays idle."""
        self.packets += 1
        if self.packets == 1:
            self.begun.set()
        if self._decoder is not None:
            for item in self._reordering.push(packet.sequence_number, packet.payload):
                try:
                    if isinstance(item, Lost):
                        self._heard(self._decoder.conceal(item.following))
                    elif item.payload:
                        self._heard(self._decoder.decode(item.payload))
                except OpusFailed as failed:
                    self._malformed += 1
                    if self._malformed == 1:
                        _log.warning("webrtc.not_opus", extra={"reason": str(failed)})
        return False, None

    @property
    def lost(self) -> int:
        """Packets that never came in time."""
        return self._reordering.lost

    def close(self) -> None:
        """Decode no more."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None
