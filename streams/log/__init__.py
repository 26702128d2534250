"""The log in SQLite: the default carrier of commits, with documents kept in step."""
