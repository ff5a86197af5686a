"""What Alembic runs: the migrations, inside the transaction that `storage.db.database` holds."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
