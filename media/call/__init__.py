"""The asyncio shell of one call: it turns I/O into the machine's inputs and carries its outputs out."""
