"""How long tests wait for what is to happen."""

from __future__ import annotations

PATIENCE_S = 60.0
"""For a machine that others keep busy. What comes is never waited for that long; what never comes fails later."""
