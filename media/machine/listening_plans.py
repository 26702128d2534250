"""How and what is listened for, parsed: ``backgroundSpeechDenoisingPlan``, ``keypadInputPlan``, ``voicemailDetection``.

Defaults and ranges are those of Vapi's public assistant schema.
"""

from __future__ import annotations

import msgspec

from media.machine.reading import PlanInvalid, Section

_DELIMITERS = ("#", "*", "")
_PROVIDERS = ("vapi", "google", "openai", "twilio")


class GatePlan(msgspec.Struct, frozen=True, kw_only=True):
    """``fourierDenoisingPlan``. Levels in dB relative to full scale, ``offset_db`` relative to the caller's own."""

    static_db: float
    offset_db: float
    window_ms: float
    percentile: float
    detects_media: bool


class DenoisingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """``smart`` comes first, then ``gate``."""

    smart: bool = False
    gate: GatePlan | None = None


def read_denoising(assistant: Section) -> DenoisingPlan:
    """``backgroundSpeechDenoisingPlan`` with the deprecated ``backgroundDenoisingEnabled`` folded in; off by
    default."""
    plan = assistant.section("backgroundSpeechDenoisingPlan")
    smart = plan.section("smartDenoisingPlan").flag("enabled", False)
    fourier = plan.section("fourierDenoisingPlan")
    gate = GatePlan(
        static_db=fourier.number("staticThreshold", -35, -80, 0),
        offset_db=fourier.number("baselineOffsetDb", -15, -30, -5),
        window_ms=fourier.number("windowSizeMs", 3_000, 1_000, 30_000),
        percentile=fourier.number("baselinePercentile", 85, 1, 99),
        detects_media=fourier.flag("mediaDetectionEnabled", True),
    )
    return DenoisingPlan(
        smart=smart or assistant.flag("backgroundDenoisingEnabled", False),
        gate=gate if fourier.flag("enabled", False) else None,
    )


class KeypadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """``timeout_ms`` 0 waits for a delimiter, however long that takes."""

    enabled: bool = False
    timeout_ms: float = 2_000.0
    delimiters: tuple[str, ...] = ()


def read_keypad(assistant: Section) -> KeypadPlan:
    """``keypadInputPlan``; ``delimiters`` is one text or a list of them."""
    plan = assistant.section("keypadInputPlan")
    written = plan.values.get("delimiters")
    texts = (written,) if isinstance(written, str) else plan.texts("delimiters")
    for text in texts:
        if text not in _DELIMITERS:
            raise PlanInvalid(plan.where("delimiters"), f"names {text!r}, which is no delimiter", "Use # or *.")
    return KeypadPlan(
        enabled=plan.flag("enabled", False),
        timeout_ms=plan.number("timeoutSeconds", 2, 0, 10) * 1000,
        delimiters=tuple(text for text in texts if text),
    )


class VoicemailPlan(msgspec.Struct, frozen=True, kw_only=True):
    """``check_ms`` are the instants after the answer at which the words are looked at; none: not looked for at all."""

    check_ms: tuple[float, ...] = ()
    beeps: bool = False
    beep_wait_ms: float = 30_000.0

    @property
    def wanted(self) -> bool:
        return bool(self.check_ms)


def read_voicemail(assistant: Section) -> VoicemailPlan:
    """``voicemailDetection``: ``off``, or a plan of any provider; what all of them share is followed."""
    if assistant.values.get("voicemailDetection") in (None, "off"):
        return VoicemailPlan()
    plan = assistant.section("voicemailDetection")
    provider = plan.choice("provider", "vapi", _PROVIDERS)
    if provider == "twilio" and not plan.flag("enabled", True):
        return VoicemailPlan()
    times = plan.section("backoffPlan")
    start_ms = times.number("startAtSeconds", 5, 0, 600) * 1000
    every_ms = times.number("frequencySeconds", 5, 2.5, 600) * 1000
    checks = int(times.number("maxRetries", 6, 1, 10))
    kind = plan.choice("type", "audio" if provider == "vapi" else "transcript", ("audio", "transcript"))
    return VoicemailPlan(
        check_ms=tuple(start_ms + number * every_ms for number in range(checks)),
        beeps=kind == "audio" or provider == "twilio",
        beep_wait_ms=plan.number("beepMaxAwaitSeconds", 30, 0, 60) * 1000,
    )
