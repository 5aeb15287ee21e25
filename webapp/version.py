"""Easel's version number."""

VERSION = "0.1.0"
INFOTEXT_VERSION = f"easel-{VERSION}"
"""What the infotext writes after ``Version:``."""
