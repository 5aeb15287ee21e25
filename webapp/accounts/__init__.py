"""Accounts: users, logins, API tokens, invitations and the audit log, over SQLite or PostgreSQL."""
