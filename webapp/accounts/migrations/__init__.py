"""Steps from each schema of the accounts to the next, run by Alembic at the start."""
