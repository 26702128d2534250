"""A knowledge base: a named group of files that conversations can search."""
