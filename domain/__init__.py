"""Pure core: events, aggregates, the log's rules and the policies. No I/O, no clock, no randomness: they are arguments."""
