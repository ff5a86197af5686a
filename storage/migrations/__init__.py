"""Alembic migrations; `storage.database.migrate` runs them."""
