"""Faust hosts processors where the log is on Kafka: it shares the shards out among processes and keeps tables."""
