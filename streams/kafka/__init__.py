"""Speaking to Kafka: where it is, how its clients are set, what its topics must be. Knows nothing of commits."""
