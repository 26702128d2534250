"""The limited process: reads one file in a folder of its own and leaves text, index and outcome there.

``python -m streams.knowledge.extraction.worker FOLDER``. Whatever a file does to it, only this process is hurt.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import msgspec

from streams.knowledge.extraction.job import (
    JOB,
    OUTCOME,
    SEGMENT,
    SOURCE,
    TEXT,
    Done,
    Extract,
    Index,
    Job,
    Outcome,
    Refused,
)
from streams.knowledge.extraction.limits import Limits, hold_to
from streams.knowledge.extraction.refusal import Unreadable


def main(folder: Path) -> None:
    """Do the job that stands in ``folder``."""
    job = msgspec.json.decode((folder / JOB).read_bytes(), type=Job)
    hold_to(job.limits)
    try:
        outcome: Outcome = _extract(folder, job) if isinstance(job, Extract) else _index(folder, job)
    except Unreadable as fault:
        outcome = Refused(code=fault.code, reason=fault.reason)
    except MemoryError:
        outcome = _too_much_memory()
    except RecursionError:
        outcome = Refused(code="damaged", reason="It is nested too deeply.")
    except OSError as fault:
        if fault.errno == errno.ENOMEM:
            outcome = _too_much_memory()
        elif fault.errno == errno.EFBIG:
            outcome = _too_much_text(job.limits)
        else:
            outcome = _broken(fault)
    except Exception as fault:
        # What a broken file makes of the libraries cannot be foreseen, and this process has nothing else to do.
        outcome = _broken(fault)
    (folder / OUTCOME).write_bytes(msgspec.json.encode(outcome))


def _extract(folder: Path, job: Extract) -> Done:
    # Reading is imported only now: the limits hold for the libraries as well.
    from streams.knowledge.extraction.reading import read

    found = read(folder / SOURCE, job.name, job.media_type, job.limits.text_bytes)
    encoded = found.text.encode()
    if len(encoded) > job.limits.text_bytes:
        raise Unreadable("too-large", _too_much_text(job.limits).reason)
    if not found.text:
        pictures = " Perhaps its pages are pictures." if found.kind == "pdf" else ""
        raise Unreadable("no-text", f"There is no text in it.{pictures}")
    (folder / TEXT).write_bytes(encoded)
    return Done(kind=found.kind, pages=found.pages, pieces=_save_index(folder, found.text))


def _index(folder: Path, job: Index) -> Done:
    return Done(kind="text", pieces=_save_index(folder, (folder / SOURCE).read_text("utf-8")))


def _save_index(folder: Path, text: str) -> int:
    from streams.knowledge.index.segment import build, save

    segment = build(text)
    save(segment, folder / SEGMENT)
    return len(segment)


def _broken(fault: Exception) -> Refused:
    return Refused(code="damaged", reason=f"It cannot be read: {type(fault).__name__}.")


def _too_much_memory() -> Refused:
    return Refused(code="too-much-memory", reason="Reading it takes more memory than a file may.")


def _too_much_text(limits: Limits) -> Refused:
    return Refused(code="too-large", reason=f"It holds more than {limits.text_bytes} bytes of text.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
