"""High-volume media facts, in a file of their own."""
