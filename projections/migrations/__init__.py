"""Numbered schema changes of the analytics store, run by Alembic."""
