"""Delivering messages to tenants' servers: an outbox folded from the log, and the dispatcher that empties it."""
