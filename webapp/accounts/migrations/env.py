"""What Alembic runs: the steps that are missing, over the connection that it was given."""

from alembic import context

from webapp.accounts.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,  # one transaction, SQLite's too: all steps or none
)
with context.begin_transaction():
    context.run_migrations()
