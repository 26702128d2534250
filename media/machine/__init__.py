"""The call machine: one conversation as a deterministic state machine without I/O, clock or randomness."""
