"""The one error of a cluster that must not be used: every cause has its own sentence, and the sentence says the fix."""

from __future__ import annotations

from domain.log.ports import LogUnavailable


class UnfitCluster(LogUnavailable):
    """Something about the cluster, its topics or this installation would endanger the log. Nothing was written."""
