"""Withholds pictures that a bundled classifier flags as NSFW."""
