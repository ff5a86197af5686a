"""Alembic migrations; `storage.db.database.migrate` runs them."""
