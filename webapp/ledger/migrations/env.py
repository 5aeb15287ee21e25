"""What Alembic runs: the steps that are missing, over the connection that it was given."""

from alembic import context

from webapp.ledger.schema import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,  # the accounts' steps are counted in the same database
    transactional_ddl=True,  # one transaction, SQLite's too: all steps or none
)
with context.begin_transaction():
    context.run_migrations()
