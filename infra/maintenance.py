"""Upkeep of derived data, as the operator's routes ask for it: rebuilding the tables, and dead letters."""

from __future__ import annotations

from typing import Any

from streams.processing.embedded import EmbeddedRunner


class EmbeddedMaintenance:
    """Implements ``api.dependencies.Maintenance`` over the embedded runner."""

    def __init__(self, runner: EmbeddedRunner) -> None:
        self._runner = runner

    async def dead_letters(self) -> list[dict[str, Any]]:
        """Events whose processor failed, and those held behind them, in the order of the log."""
        return [
            {
                "processor": letter.processor,
                "originatorId": letter.originator_id,
                "position": str(letter.position),
                "attempt": letter.attempt,
                "reason": letter.reason,
            }
            for letter in self._runner.dead_letters.list()
        ]

    async def retry_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        """Give an originator's held events to the processor again, in order; ends at the first that fails again."""
        processed = await self._runner.retry(processor, originator)
        return {"processed": processed, "waiting": len(self._runner.dead_letters.list(processor, originator))}

    async def drop_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        """Pass over an originator's held events for ever; the rows they should have made are missing from then on."""
        letters = self._runner.dead_letters.list(processor, originator)
        for letter in letters:
            self._runner.dead_letters.drop(processor, letter.position)
        return {"dropped": len(letters)}
