"""Pure core: events, aggregates, the log's rules, the policies. No I/O, clock or randomness: they are arguments."""
