"""Pages for people, served as they lie here: no framework, nothing built, nothing fetched from elsewhere."""
