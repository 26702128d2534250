"""The log on Kafka: each node folds a partition's records into a replica, in the order that Kafka gave them."""
