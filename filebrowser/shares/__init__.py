"""Shares: links to a file or folder for people without a credential."""
