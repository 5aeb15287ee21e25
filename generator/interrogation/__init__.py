"""Captions and tags for pictures, by networks under models/."""
