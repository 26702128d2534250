"""Questions that are kept and asked again: what an insight is, when it looks, and what its formulas compute."""
