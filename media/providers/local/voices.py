"""Which espeak-ng voice stands in for which Vapi voice name.

The names are those of Vapi's own voices; the sounds are not. A name that is not listed gets the default voice, so that
an assistant written for the hosted product still speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BASE_WORDS_PER_MINUTE = 165
MIN_WORDS_PER_MINUTE = 80
MAX_WORDS_PER_MINUTE = 330


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """``voice`` as espeak-ng names it, speed in words a minute, ``pitch`` in 0..99."""

    voice: str = "en-us+f2"
    words_per_minute: int = BASE_WORDS_PER_MINUTE
    pitch: int = 50


_VOICES: dict[str, tuple[str, int]] = {
    "elliot": ("en-us+m3", 45),
    "rohan": ("en-us+m1", 50),
    "cole": ("en-us+m2", 40),
    "harry": ("en+m3", 45),
    "spencer": ("en-us+m7", 45),
    "neil": ("en-us+m4", 40),
    "nico": ("en-us+m5", 50),
    "kai": ("en-us+m6", 50),
    "godfrey": ("en+m2", 35),
    "sagar": ("en-us+m3", 50),
    "dan": ("en-us+m1", 45),
    "leo": ("en-us+m3", 40),
    "zac": ("en-us+m4", 50),
    "paige": ("en-us+f2", 55),
    "hana": ("en-us+f3", 55),
    "lily": ("en-us+f4", 60),
    "kylie": ("en-us+f2", 60),
    "savannah": ("en-us+f1", 50),
    "neha": ("en-us+f3", 50),
    "emma": ("en-us+f2", 50),
    "clara": ("en-us+f4", 50),
    "leah": ("en-us+f1", 55),
    "tara": ("en-us+f2", 45),
    "jess": ("en-us+f3", 60),
    "mia": ("en-us+f4", 55),
    "zoe": ("en-us+f1", 60),
    "naina": ("en-us+f3", 45),
}


def voice_settings(configuration: Mapping[str, Any]) -> VoiceSettings:
    """Settings for an assistant's ``voice`` object (``voiceId``, ``speed``, ``language`` en-GB)."""
    default = VoiceSettings()
    voice, pitch = _VOICES.get(str(configuration.get("voiceId", "")).lower(), (default.voice, default.pitch))
    if configuration.get("language") == "en-GB":
        voice = voice.replace("en-us", "en")
    speed = configuration.get("speed")
    factor = float(speed) if isinstance(speed, int | float) and speed > 0 else 1.0
    rate = round(BASE_WORDS_PER_MINUTE * factor)
    return VoiceSettings(voice, min(max(rate, MIN_WORDS_PER_MINUTE), MAX_WORDS_PER_MINUTE), pitch)
