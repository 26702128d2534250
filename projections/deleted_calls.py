"""Bringing the table of deleted calls up to that of all calls, where an earlier build wrote only the latter.

While an installation is upgraded, a projector that does not know the table may go on for a while after another process
has made it. Whoever fills the tables next brings in what it left out, before anything else.
"""

from __future__ import annotations

from projections.store import AnalyticsStore
from projections.tables import calls, deleted_calls

_BROUGHT_IN = """
INSERT INTO {deleted:Identifier} (org_id, log_shard, log_ordinal, recorded_at, call_id, created_at)
SELECT org_id, log_shard, min(log_ordinal), argMin(c.recorded_at, c.log_ordinal), call_id, created_at
FROM {calls:Identifier} AS c
WHERE deleted_at IS NOT NULL AND call_id NOT IN (SELECT call_id FROM {deleted:Identifier})
GROUP BY org_id, log_shard, call_id, created_at
SETTINGS insert_deduplicate = 0
"""


def bring_in_deleted_calls(store: AnalyticsStore) -> None:
    """Add the deleted calls that are missing; each is there once afterwards."""
    tables = {"deleted": deleted_calls.TABLE.physical, "calls": calls.TABLE.physical}
    store.client().command(_BROUGHT_IN, parameters=tables)
