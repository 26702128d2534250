"""``code`` tools in real Deno processes."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from media.tools.code_tools import CodeTools
from media.tools.outcome import Answered, Failed
from tests.patience import PATIENCE_S
from tests.unit.media.tools.calling import call_of, now

FOUND = shutil.which("deno", path=str(Path(sys.executable).parent)) or shutil.which("deno")
pytestmark = pytest.mark.skipif(FOUND is None, reason="needs Deno: pip install callfold[code]")


def tools(program: str | None = FOUND) -> CodeTools:
    return CodeTools(Path(program) if program else None, now=now, result_cap=2_000, at_once=asyncio.Semaphore(2))


async def run(code: str, arguments: dict[str, Any] | None = None, **more: Any) -> Any:
    tool = {"type": "code", "function": {"name": "compute"}, "code": code, **more}
    return (await tools().run([call_of(tool, arguments)]))["c1"]


async def test_typescript_computes_with_arguments_and_environment() -> None:
    code = """
    interface Line { price: number; count: number }
    const lines: Line[] = args.lines;
    const total: number = lines.reduce((sum: number, line: Line) => sum + line.price * line.count, 0);
    console.log("this is not the result");
    return { total, shop: env.SHOP };
    """
    outcome = await run(
        code,
        {"lines": [{"price": 2, "count": 3}, {"price": 1, "count": 1}]},
        environmentVariables=[{"name": "SHOP", "value": "leeds"}],
        variableExtractionPlan={"aliases": [{"key": "sum", "value": "{{ total }}"}]},
    )
    assert outcome == Answered('{"total":7,"shop":"leeds"}', variables={"sum": "7"})


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("throw new Error('no such order');", "Error: no such order"),
        ("return Deno.readTextFileSync('/etc/passwd');", "NotCapable"),
        ("return Deno.env.toObject();", "NotCapable"),
        ("return await (await fetch('http://127.0.0.1:8080')).text();", "net access"),
        ("return (await import('https://deno.land/std/version.ts')).VERSION;", "--no-remote"),
        ("return (await import('/etc/passwd', { with: { type: 'text' } })).default;", "cannot-be-a-base"),
        ("return (await import('file:///etc/passwd', { with: { type: 'text' } })).default;", "read access"),
        ("return (await import('file:///etc/passwd')).default;", "read access"),
        ("}); } finally {} try { await import('file:///etc/passwd'); (async () => {", "read access"),
        ("return new Deno.Command('/bin/sh').outputSync();", "NotCapable"),
        ("Deno.writeTextFileSync('x', 'y');", "NotCapable"),
    ],
)
async def test_code_reaches_nothing_outside_itself(code: str, words: str) -> None:
    outcome = await run(code)
    assert isinstance(outcome, Failed)
    assert words in outcome.error


@pytest.mark.parametrize(
    "code",
    [
        "while (true) {}",
        "await new Promise(() => setTimeout(() => {}, 60000));",
        "const kept: unknown[] = []; while (true) { kept.push(new Array(1e5).fill(1)); }",
        "const kept: unknown[] = []; while (true) { const all = new Uint8Array(5e7); all.fill(1); kept.push(all); }",
        "while (true) { console.log('x'.repeat(100000)); }",
        "Deno.exit(0);",
    ],
)
async def test_time_memory_and_output_are_limited(code: str) -> None:
    began = asyncio.get_running_loop().time()
    outcome = await run(code, timeoutSeconds=2)
    assert isinstance(outcome, Failed)
    assert asyncio.get_running_loop().time() - began < PATIENCE_S


async def test_a_mistake_in_the_writing_is_told_as_one() -> None:
    outcome = await run("return (1;")
    assert isinstance(outcome, Failed)
    assert "The code failed: SyntaxError" in outcome.error


async def test_what_was_filled_in_is_data_not_code() -> None:
    nasty = "`); Deno.exit(1); //\u2028 ${env} </script> \"'"
    assert await run("return args.text;", {"text": nasty}) == Answered(nasty)


async def test_code_is_off_unless_the_operator_says_so() -> None:
    tool = {"type": "code", "function": {"name": "compute"}, "code": "return 1;"}
    outcome = (await tools(None).run([call_of(tool)]))["c1"]
    assert isinstance(outcome, Failed)
    assert outcome.failure == "refused"
