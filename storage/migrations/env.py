"""What Alembic runs: the migrations, inside the transaction that `storage.database` holds."""

from alembic import context

# SQLite's DDL is transactional as long as BEGIN was said, which `storage.database` does.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
