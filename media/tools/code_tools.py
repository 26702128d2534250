"""``code`` tools: TypeScript of the tenant's, each call in a process of its own that reaches neither files nor network.

The process is Deno (https://docs.deno.com/runtime/fundamentals/security/) without any permission: no files, network,
environment, subprocesses, or modules from elsewhere. Time, heap, memory and output are limited besides. Off unless the
operator names the program.

What a program imports by a literal name when it is loaded is part of it, and Deno reads that without asking for a
permission: ``import("/etc/passwd", { with: { type: "text" } })`` would. So the program is a constant that imports
nothing of this machine, and the tenant's code a module that it loads as it runs, for which every file is asked for.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import msgspec

from domain.call.extraction import extract
from domain.foreign_json import UnreadableJson, read_json
from media.child_process import start_child
from media.machine.outputs import CallTool
from media.tools.outcome import Failed, Outcome, answered
from media.tools.rendering import Now, rendered_tool, sent_arguments

OFF: Final = "Code tools are not switched on at this server."
_HEAP_MB: Final = 64
_MEMORY_BYTES: Final = 768 << 20
"""Of private memory: the engine's own and all that code allocates, inside and outside its heap."""
_OUTPUT_CAP: Final = 1 << 20
_SECONDS: Final = (1.0, 10.0, 30.0)
_PROGRAM: Final = b"""
const given = await new Response(Deno.stdin.readable).text();
const [marker] = given.split("\\n", 1);
const module = new Blob([given.slice(marker.length + 1)], { type: "application/typescript" });
const print = console.log, json = JSON.stringify;
try {
  await import(URL.createObjectURL(module));
} catch (error) {
  print(marker + json({ error: String(error?.message ?? error) }));
}
"""
"""Loads what comes on its standard input: a line with the marker, then the script."""
_FLAGS: Final = (
    *("run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--no-check"),
    *("--deny-import", f"--v8-flags=--max-old-space-size={_HEAP_MB},--single-threaded-gc"),
    f"data:application/javascript;base64,{b64encode(_PROGRAM).decode()}",
)


class CodeTools:
    """``program`` is Deno's executable, ``None`` where code is off. At most ``at_once`` processes run."""

    def __init__(self, program: Path | None, *, now: Now, result_cap: int, at_once: asyncio.Semaphore) -> None:
        self._program = program
        self._now = now
        self._result_cap = result_cap
        self._at_once = at_once

    async def run(self, calls: Sequence[CallTool]) -> Mapping[str, Outcome]:
        """As ``ToolExecutor.run``: as many at once as the installation allows."""
        outcomes = await asyncio.gather(*(self._run(call) for call in calls))
        return {call.tool_call_id: outcome for call, outcome in zip(calls, outcomes, strict=True)}

    async def _run(self, call: CallTool) -> Outcome:
        if self._program is None:
            return Failed("refused", OFF)
        tool = rendered_tool(call, self._now())
        seconds = _seconds(tool.get("timeoutSeconds"))
        marker = uuid4().hex
        script = _script(str(tool.get("code") or ""), sent_arguments(call, tool), _environment(tool), marker)
        async with self._at_once:
            ended = await _executed(self._program, script, seconds)
        if isinstance(ended, Failed):
            return ended
        return self._outcome(call, ended, marker)

    def _outcome(self, call: CallTool, output: bytes, marker: str) -> Outcome:
        line = next((line for line in reversed(output.splitlines()) if line.startswith(marker.encode())), None)
        if line is None:
            return Failed("error", "The code ended without a result: it ran out of memory or ended its process.")
        try:
            told = read_json(line[len(marker) :])
        except UnreadableJson:
            return Failed("bad-body", "The code's result cannot be written as JSON.")
        if "error" in told:
            return Failed("error", answered(f"The code failed: {told['error']}", self._result_cap).result)
        value = told.get("result")
        known = {**call.variables, **call.arguments}
        extracted = extract(call.tool.get("variableExtractionPlan"), value, variables=known, now=self._now())
        return answered("" if value is None else value, self._result_cap, variables=extracted.values)


async def _executed(program: Path, script: bytes, seconds: float) -> bytes | Failed:
    """What the process wrote, ended by us at the latest when its time is over."""
    output = bytearray()
    over = asyncio.Event()

    def take(data: bytes) -> None:
        output.extend(data[: _OUTPUT_CAP - len(output)])
        if len(output) == _OUTPUT_CAP:
            over.set()

    with TemporaryDirectory(prefix="callfold-code-") as folder:
        environment = {"DENO_DIR": folder, "HOME": folder, "NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1"}
        try:
            process = await start_child(
                _limited(program, seconds),
                output=take,
                output_ended=over.set,
                folder=Path(folder),
                environment=environment,
                quiet=True,
            )
        except OSError as error:
            return Failed("error", f"The code cannot be run here ({error.strerror}).")
        try:
            async with asyncio.timeout(seconds):
                process.write(script)
                process.close_input()
                await over.wait()
        except TimeoutError:
            return Failed("timeout", f"The code did not end within {seconds:g} seconds.")
        finally:
            process.drop()
            await process.exited.wait()
    return bytes(output)


def _limited(program: Path, seconds: float) -> tuple[str, ...]:
    """The command line, run by a shell that sets its own limits first: doing that here would take a fork."""
    limits = f"ulimit -t {int(seconds) + 1} -d {_MEMORY_BYTES >> 10} -f 1024 -c 0"
    return ("/bin/sh", "-c", f'{limits}; exec "$0" "$@"', str(program), *_FLAGS)


def _script(code: str, arguments: Mapping[str, Any], environment: Mapping[str, str], marker: str) -> bytes:
    """What the program is given: the tenant's code as the body of a function, whose return value is the result."""
    given = msgspec.json.encode([arguments, environment]).decode()
    return (
        f"{marker}\n"
        f"const [__args, __env] = {given};\n"
        f"const __tell = (told: unknown) => console.log({marker!r} + JSON.stringify(told));\n"
        "try {\n"
        "  const __result = await (async (args: any, env: any) => {\n"
        f"{code}\n"
        "  })(__args, __env);\n"
        "  __tell({ result: __result === undefined ? null : __result });\n"
        "} catch (error) {\n"
        "  __tell({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });\n"
        "}\n"
    ).encode()


def _environment(tool: Mapping[str, Any]) -> dict[str, str]:
    entries = tool.get("environmentVariables")
    return {
        str(entry["name"]): str(entry.get("value") or "")
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, Mapping) and entry.get("name")
    }


def _seconds(given: Any) -> float:
    low, usual, high = _SECONDS
    return min(high, max(low, float(given))) if isinstance(given, int | float) else usual
