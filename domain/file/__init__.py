"""A file that was uploaded: a configuration whose text is read out of it after it came in."""
