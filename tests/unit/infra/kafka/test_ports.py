"""Ports for brokers that others are about to start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from infra.kafka.ports import free_ports

CHOOSING = """
import random
from infra.kafka.ports import free_ports
random.sample = lambda candidates, k: list(candidates)
print(*free_ports(3))
"""


def test_ports_that_are_given_out_are_given_to_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers take seconds until they listen, and chance alone would let two clusters choose the same."""
    monkeypatch.setattr("random.sample", lambda candidates, k: list(candidates))
    here = free_ports(3)
    told = subprocess.run([sys.executable, "-c", CHOOSING], capture_output=True, text=True, check=True)
    assert not set(here) & {int(port) for port in told.stdout.split()}
