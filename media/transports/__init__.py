"""How a caller's audio reaches us: one module per kind of connection."""
