"""Plugins as the web process and the worker see them."""
