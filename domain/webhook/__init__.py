"""A tenant's endpoint for messages: what was tried there, what came of it, and when to try again."""
