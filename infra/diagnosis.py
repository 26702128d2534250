"""What ``callfold doctor`` looks at: each finding says what is, and how to change it. Secrets are never shown."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import httpx2

from infra.data_folder import DataFolder, FolderInUse, FolderUnusable, RunningSystem
from infra.provider_access import VENDORS
from infra.settings import Settings, SettingsInvalid, load, variable

Status = Literal["ok", "absent", "problem"]

_LEAST_FREE_BYTES = 1 << 30
_ENGINES = {
    "chdb": ("analytics engine", "embedded", "or set CALLFOLD_CLICKHOUSE to a server's URL"),
    "pocketsphinx": ("speech recogniser", "embedded", "or give assistants another transcriber"),
    "espeakng_loader": ("speech synthesiser", "espeak", "(GPL-3.0-or-later) or give assistants another voice"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """``absent`` is something optional that is not there; only a ``problem`` keeps the system from working."""

    check: str
    status: Status
    detail: str
    fix: str = ""


def diagnose(data_dir: Path | None) -> list[Finding]:
    """Every finding, in the order in which a person should read them."""
    findings = [_python(), *_engines()]
    try:
        settings = load(data_dir=data_dir)
    except SettingsInvalid as error:
        return [*findings, Finding("settings", "problem", str(error), "Correct or unset the variable.")]
    folder = DataFolder(settings.data_dir.absolute())
    places, system = (*_storage(folder), *_log(settings)), _system(folder)
    running = folder.announced() if system.status == "ok" else None
    reached = _network(settings, running.url if running else settings.base_url())
    return [*findings, *places, system, *_beside(folder), *reached, *_providers(settings)]


def _python() -> Finding:
    return Finding("python", "ok", f"{sys.version.split()[0]}, callfold {version('callfold')}")


def _engines() -> Iterator[Finding]:
    for module, (what, extra, otherwise) in _ENGINES.items():
        if importlib.util.find_spec(module) is None:
            yield Finding(
                what, "absent", f"{module} is not installed", f"pip install 'callfold[{extra}]', {otherwise}."
            )
        else:
            yield Finding(what, "ok", f"{module} {_version_of(module)}".strip())


def _version_of(module: str) -> str:
    try:
        return version(module.replace("_", "-"))
    except PackageNotFoundError:
        return ""


def _storage(folder: DataFolder) -> Iterator[Finding]:
    nearest = next(parent for parent in (folder.root, *folder.root.parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        yield Finding("data folder", "problem", f"{folder.root} cannot be written", "Choose another with --data-dir.")
        return
    state = "in use since an earlier start" if folder.exists else "new, made at the first `callfold up`"
    yield Finding("data folder", "ok", f"{folder.root} ({state})")
    free = shutil.disk_usage(nearest).free
    detail = f"{free / (1 << 30):.1f} GiB free"
    if free < _LEAST_FREE_BYTES:
        yield Finding("disk", "problem", detail, "Free some space; commands are refused when the disk is full.")
    else:
        yield Finding("disk", "ok", detail)


def _log(settings: Settings) -> Iterator[Finding]:
    if settings.kafka is None:
        yield Finding("log", "ok", "SQLite, in the data folder")
        return
    from domain.log.ports import LogUnavailable
    from streams.kafka.survey import survey

    try:
        found = survey(settings.kafka, replication=settings.kafka_replication)
    except LogUnavailable as error:
        yield Finding("log", "problem", str(error), "Until then nothing can be recorded.")
        return
    brokers = f"{found.brokers} broker{'s' if found.brokers > 1 else ''}"
    yield Finding(
        "log", "ok", f"{settings.kafka} answers: cluster {found.cluster_id}, {brokers}, Kafka {found.version}"
    )


def _beside(folder: DataFolder) -> Iterator[Finding]:
    if not folder.exists:
        return
    for running in folder.beside():
        if running.url:
            yield replace(_answers(running), check=running.role)
        else:
            yield Finding(running.role, "ok", f"process {running.pid} runs")


def _system(folder: DataFolder) -> Finding:
    if not folder.exists:
        return Finding("system", "absent", "nothing runs on this data folder", "Start it with `callfold up`.")
    try:
        with folder.own():
            return Finding("system", "absent", "nothing runs on this data folder", "Start it with `callfold up`.")
    except FolderInUse as error:
        return _answers(error.running) if error.running else Finding("system", "ok", "starting or stopping")
    except FolderUnusable as error:
        return Finding("system", "problem", str(error), "Choose another folder with --data-dir.")


def _answers(running: RunningSystem) -> Finding:
    try:
        with httpx2.Client(base_url=running.url, trust_env=False, timeout=5.0) as client:
            reason = client.get("/health/ready").json()["reason"]
    except (LookupError, TypeError):
        detail = f"process {running.pid} runs, and another server than callfold answers at {running.url}"
        return Finding("system", "problem", detail, f"Look at its log lines, or stop it: kill {running.pid}")
    except (httpx2.HTTPError, ValueError) as error:
        detail = f"process {running.pid} at {running.url} does not answer ({type(error).__name__})"
        return Finding("system", "problem", detail, f"Look at its log lines, or stop it: kill {running.pid}")
    return Finding("system", "ok", f"{running.url} (process {running.pid}): {reason}")


def _network(settings: Settings, bound: str) -> Iterator[Finding]:
    if settings.public_url:
        yield Finding("public URL", "ok", settings.public_url)
    else:
        fix = "Set CALLFOLD_PUBLIC_URL when clients reach this machine by another address."
        yield Finding("public URL", "absent", f"{bound} (from host and port)", fix)
    if settings.egress_allow:
        yield Finding("private networks", "ok", ", ".join(settings.egress_allow))
    else:
        fix = "Set CALLFOLD_EGRESS_ALLOW (for example 127.0.0.0/8) for tool servers on private addresses."
        yield Finding("private networks", "absent", "tool servers and custom models must be public", fix)


def _providers(settings: Settings) -> Iterator[Finding]:
    for name, vendor in VENDORS.items():
        key = variable(vendor.key_field)
        if getattr(settings, vendor.key_field) is None:
            otherwise = f"Without it assistants that name {name} ({vendor.stages}) are refused at call start."
            yield Finding(f"provider {name}", "absent", f"{key} is not set", otherwise)
        else:
            url = settings.provider_urls.get(name) or (vendor.url_field and getattr(settings, vendor.url_field))
            yield Finding(f"provider {name}", "ok", f"{vendor.stages}; {key} is set" + (f", {url}" if url else ""))
