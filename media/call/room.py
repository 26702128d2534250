"""The room on either side of a call: noise taken out of what is heard, a sound under and between what is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from media.audio.ambience import Ambience, office, on_repeat
from media.audio.denoising import BackgroundGate, Denoise, NoiseSuppressor, SuppressionUnavailable, in_turn
from media.call.hearing import Hearing
from media.call.sounds import FetchSound, SoundUnavailable
from media.call.speaking import Speaking
from media.machine.listening_plans import DenoisingPlan
from media.machine.plan import CallPlan

Spawn = Callable[[Any, str], object]
_IGNORED = "configuration-ignored"


class Room:
    """One call's. ``plan`` is that of whoever begins."""

    def __init__(
        self, plan: CallPlan, hearing: Hearing, speaking: Speaking, fetch: FetchSound, warn: Callable[[str, str], None]
    ) -> None:
        self._plan = plan
        self._hearing = hearing
        self._speaking = speaking
        self._fetch = fetch
        self._warn = warn
        self._denoising = DenoisingPlan()
        self._sounding = "off"

    def open(self, spawn: Spawn) -> None:
        """The call begins; ``spawn`` starts a task of it."""
        self.arrange(self._plan, spawn)

    def arrange(self, plan: CallPlan, spawn: Spawn) -> None:
        """From now on as an assistant wants it. A sound that has to be fetched begins when it is there."""
        if plan.denoising != self._denoising:
            self._denoising = plan.denoising
            self._hearing.denoise = denoiser(plan.denoising, self._warn)
        if plan.background == self._sounding:
            return
        self._sounding = plan.background
        self._speaking.ambience = office() if plan.background == "office" else None
        if plan.background not in ("off", "office"):
            spawn(self._fetch_background(plan.background), "background")

    async def _fetch_background(self, url: str) -> None:
        try:
            pcm = await self._fetch(url)
            loop = on_repeat(pcm)
        except (SoundUnavailable, ValueError) as error:
            self._warn(_IGNORED, f"backgroundSound is not played: {error}")
            return
        if self._sounding == url:
            self._speaking.ambience = Ambience(loop)


def denoiser(plan: DenoisingPlan, warn: Callable[[str, str], None]) -> Denoise | None:
    """The steps that the plan wants, in Vapi's order; what is not installed is left out, and that is said."""
    steps: list[Denoise] = []
    if plan.smart:
        try:
            steps.append(NoiseSuppressor())
        except SuppressionUnavailable as missing:
            warn(_IGNORED, str(missing))
    if plan.gate is not None:
        gate = plan.gate
        steps.append(
            BackgroundGate(
                static_db=gate.static_db,
                offset_db=gate.offset_db,
                window_ms=gate.window_ms,
                percentile=gate.percentile,
                detects_media=gate.detects_media,
            )
        )
    return in_turn(tuple(steps))
