"""Packages for Node.js that tests of clients need: installed once, by their lock file, into the cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from infra.settings import Settings

FOLDER = Path(__file__).parent / "node"
INSTALL_SECONDS = 300


def node_modules() -> Path:
    """The folder that holds ``node_modules``. Skips the test where there is no Node.js or no way to get the packages;
    in continuous integration that is a failure."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        _without("Node.js and npm are not installed")
    lock = (FOLDER / "package-lock.json").read_bytes()
    folder = Settings(_env_file=None).cache_folder() / "node" / hashlib.sha256(lock).hexdigest()[:16]
    complete = folder / "complete"
    if not complete.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, folder / name)
        installed = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
        if installed.returncode:
            _without(f"npm could not install what {FOLDER.name}/package-lock.json lists: {installed.stderr[-500:]}")
        complete.touch()
    return folder


def run(command: list[str], folder: Path, **environment: str) -> str:
    """What a program prints; its failure is the test's."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=240, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _without(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
