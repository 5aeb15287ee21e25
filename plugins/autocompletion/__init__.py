"""Offers words while a prompt is written: from tag lists, and what is installed."""
