"""How text becomes what a voice says, parsed: ``voice.chunkPlan`` and the ``formatPlan`` in it.

Defaults and ranges are those of Vapi's public assistant schema.
"""

from __future__ import annotations

from media.machine.reading import PlanInvalid, Section
from media.machine.speaking_plans import read_pattern
from media.text.chunking import DEFAULT_BOUNDARIES, FIRST_MIN_CHARACTERS, MIN_CHARACTERS, ChunkPlan
from media.text.formatting import FORMATTERS, NUMBER_TO_DIGITS_CUTOFF, FormatPlan, Replacement


def read_chunks(voice: Section) -> ChunkPlan:
    """``voice.chunkPlan``; the older ``inputMinCharacters`` and ``inputPunctuationBoundaries`` win where present."""
    plan = voice.section("chunkPlan")
    minimum = int(plan.number("minCharacters", MIN_CHARACTERS, 1, 80))
    explicit = plan.has("minCharacters") or voice.has("inputMinCharacters")
    if voice.has("inputMinCharacters"):
        minimum = int(voice.number("inputMinCharacters", MIN_CHARACTERS, 1, 80))
    older = voice.has("inputPunctuationBoundaries")
    boundaries = voice.texts("inputPunctuationBoundaries") if older else plan.texts("punctuationBoundaries")
    return ChunkPlan(
        enabled=plan.flag("enabled", True),
        min_characters=minimum,
        first_min_characters=minimum if explicit else FIRST_MIN_CHARACTERS,
        boundaries=frozenset("".join(boundaries)) if boundaries else DEFAULT_BOUNDARIES,
    )


def read_formatting(plan: Section) -> FormatPlan:
    """``voice.chunkPlan.formatPlan``; an absent ``formattersEnabled`` means the default ones."""
    named = plan.texts("formattersEnabled")
    for name in named:
        if name not in FORMATTERS:
            raise PlanInvalid(
                plan.where("formattersEnabled"),
                f"names {name!r}, which is unknown",
                f"Use {', '.join(sorted(FORMATTERS))}.",
            )
    return FormatPlan(
        enabled=plan.flag("enabled", True),
        number_to_digits_cutoff=int(plan.number("numberToDigitsCutoff", NUMBER_TO_DIGITS_CUTOFF, 0, 10**15)),
        formatters=frozenset(named) if plan.has("formattersEnabled") else None,
        replacements=tuple(_replacement(entry) for entry in plan.sections("replacements")),
    )


def _replacement(entry: Section) -> Replacement:
    if entry.choice("type", "exact", ("exact", "regex")) == "regex":
        return Replacement(pattern=read_pattern(entry, "regex", "options"), value=entry.text("value"))
    key = entry.text("key")
    if not key:
        raise PlanInvalid(entry.where("key"), "is empty", "Name the text to be replaced.")
    count = 0 if entry.flag("replaceAllEnabled", False) else 1
    return Replacement(pattern=key, value=entry.text("value"), count=count)
