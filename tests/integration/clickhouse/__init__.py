"""The projector and a server by URL."""
