"""Vapi's ``POST /analytics``: from a request's queries to ClickHouse SQL and back to its result rows."""
