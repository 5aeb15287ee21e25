"""What Alembic runs to bring the ledger's tables to this version's."""
