"""librdkafka's mock cluster, until standard input ends.

``python -m tests.mock_broker BROKERS`` prints where it listens.
"""

from __future__ import annotations

import sys

from confluent_kafka import Producer


def main() -> None:
    # The cluster lives inside of a client; the address that the client is asked to use is ignored.
    client = Producer({"test.mock.num.brokers": int(sys.argv[1]), "bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    brokers = client.list_topics(timeout=20).brokers.values()
    print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
