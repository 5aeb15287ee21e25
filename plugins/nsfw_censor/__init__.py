"""Withholds pictures that a bundled classifier holds for indecent."""
