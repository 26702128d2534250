"""Apache Kafka for developers and tests: a real cluster on loopback, without containers or root."""
