"""Suggests words while a prompt is typed, from tag lists and installed models."""
