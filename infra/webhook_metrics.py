"""What ``GET /metrics`` says about messages to tenants' servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.log.ports import Clock
from streams.webhooks.dispatcher import Dispatcher
from streams.webhooks.due import DueMessages

_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)


def first_attempt_delay() -> Histogram:
    """From when a message could be sent, with its event mostly, to the first attempt. Belongs to no registry yet."""
    return Histogram(
        "callfold_webhook_first_attempt_seconds",
        "From when a message could be sent, with its event mostly, to the begin of its first attempt.",
        buckets=_BUCKETS,
        registry=None,
    )


class WebhookMetrics(Collector):
    """Of the outbox of this process, and of its dispatcher where it has one."""

    def __init__(self, waiting: DueMessages, dispatcher: Callable[[], Dispatcher | None], clock: Clock) -> None:
        self._waiting = waiting
        self._dispatcher = dispatcher
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not look anything up."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Everything, as it is now."""
        found = self._waiting.summary()
        late = self._clock().timestamp() - found.oldest_due_ms / 1000 if found.oldest_due_ms else 0.0
        yield GaugeMetricFamily(
            "callfold_webhook_waiting_messages", "Messages that are not delivered yet.", value=found.pending
        )
        yield GaugeMetricFamily(
            "callfold_webhook_lag_seconds",
            "For how long the message that has waited longest could have been sent.",
            value=max(late, 0.0),
        )
        yield GaugeMetricFamily(
            "callfold_webhook_dead_messages", "Messages that were given up in the last 30 days.", value=found.dead
        )
        dispatcher = self._dispatcher()
        if dispatcher is None:
            return
        yield GaugeMetricFamily(
            "callfold_webhook_requests_active", "Requests to servers that are under way.", value=dispatcher.in_flight
        )
        attempts = CounterMetricFamily(
            "callfold_webhook_attempts",
            "Attempts from this process by how they ended: success, a kind of failure, or stale (let go unsent).",
            labels=("outcome",),
        )
        for outcome, count in sorted(dispatcher.outcomes.items()):
            attempts.add_metric((outcome,), count)
        yield attempts
