"""The file browser as this service composes it: trees, rights, previews, uploads."""
