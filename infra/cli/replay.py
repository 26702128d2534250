"""``callfold replay``: step a recorded call again, as it was or under another configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import AsJson, DataDir

if TYPE_CHECKING:
    from infra.cli.backend import Json
    from infra.replaying import Compared
    from media.machine.counterfactual import TurnTiming
    from media.machine.recorded import Verdict

Assistant = Annotated[
    Path | None,
    typer.Option("--assistant", "-a", help="A JSON file with another assistant to step the call under."),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="Change a field: startSpeakingPlan.waitSeconds=0.2; repeatable."),
]


def replay(
    call_id: Annotated[str, typer.Argument(help="The call's id.")],
    assistant: Assistant = None,
    changes: Changes = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Step a recorded call again and hold every event against the log; exit 1 where one differs.

    With --assistant or --set it is stepped under another configuration too: the first difference and the changed
    timings are shown. The caller's words stay as recorded.
    """
    import asyncio

    from domain.log.ports import LogUnavailable
    from infra.cli.backend import open_backend, settings_for
    from infra.cli.failure import CommandFailed
    from infra.cli.terminal import print_json
    from infra.replaying import SettingInvalid, checked, compared, loaded
    from media.machine.reading import PlanInvalid
    from media.machine.recorded import NotRecorded

    other = None if assistant is None else _read(assistant)

    async def events() -> list[Json]:
        async with open_backend(data_dir) as operator:
            await operator.call(call_id)
            return await operator.all_events(originator=call_id)

    found = asyncio.run(events())
    try:
        call = loaded(settings_for(data_dir), call_id, found)
        verdict = checked(call)
        comparison = compared(call, other, changes or ()) if other is not None or changes else None
    except (LogUnavailable, SettingInvalid) as error:
        raise CommandFailed(str(error)) from None
    except NotRecorded as error:
        raise CommandFailed(f"call {call_id} cannot be stepped again: {error}") from None
    except PlanInvalid as error:
        raise CommandFailed(f"the assistant cannot be followed: {error}") from None
    if as_json:
        print_json(_as_json(call_id, verdict, comparison))
    else:
        _show(call_id, verdict, comparison)
    if not verdict.exact:
        raise CommandFailed("the call does not step to what was recorded: another version held it, or inputs were lost")


def _read(path: Path) -> Json:
    import json

    from infra.cli.failure import CommandFailed

    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{path} cannot be read as an assistant: {error}") from None
    if not isinstance(value, dict):
        raise CommandFailed(f"{path} holds no assistant; it must be a JSON object", code=2)
    return value


def _as_json(call_id: str, verdict: Verdict, comparison: Compared | None) -> Json:
    import msgspec

    answer: Json = {"callId": call_id, **msgspec.to_builtins(verdict)}
    if comparison is not None:
        answer["comparison"] = msgspec.to_builtins(comparison)
    return answer


def _show(call_id: str, verdict: Verdict, comparison: Compared | None) -> None:
    from infra.cli.terminal import compact, print_facts, print_table

    facts: dict[str, object] = {
        "call": call_id,
        "stepped": f"{verdict.inputs} inputs to {verdict.outputs} outputs, {verdict.events} events among them",
        "equal to the log": "exactly" if verdict.exact else "no",
    }
    if verdict.difference is not None:
        facts["first difference"] = f"at input {verdict.difference.get('input', '?')}"
        facts["recorded"] = compact(verdict.difference["recorded"])
        facts["stepped now"] = compact(verdict.difference["stepped"])
    print_facts(facts)
    if comparison is None:
        return
    changed = comparison.changed
    if changed is None:
        print_facts({"other configuration": "does the same, at the same times"})
        return
    print_facts(
        {
            "first change at s": round(changed.at_ms / 1000, 3),
            "as configured": compact(changed.before),
            "otherwise": compact(changed.after),
            "ended": comparison.ended_before,
            "ends": comparison.ended_after if comparison.ended_after != comparison.ended_before else None,
        }
    )
    print_table(
        "Turns",
        ("turn", "decided s", "otherwise", "first sound s", "otherwise", "sooner by ms"),
        _rows(comparison.before, comparison.after),
        empty="no turn was decided",
    )


def _rows(before: tuple[TurnTiming, ...], after: tuple[TurnTiming, ...]) -> list[tuple[object, ...]]:
    then = {timing.turn: timing for timing in before}
    now = {timing.turn: timing for timing in after}
    rows: list[tuple[object, ...]] = []
    for turn in sorted(then.keys() | now.keys()):
        here, there = then.get(turn), now.get(turn)
        played, plays = (side.played_ms if side else None for side in (here, there))
        rows.append(
            (
                turn,
                _seconds(here.decided_ms if here else None),
                _seconds(there.decided_ms if there else None),
                _seconds(played),
                _seconds(plays),
                round(played - plays, 1) if played is not None and plays is not None else None,
            )
        )
    return rows


def _seconds(at_ms: float | None) -> float | None:
    return None if at_ms is None else round(at_ms / 1000, 3)
