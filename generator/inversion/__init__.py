"""Textual inversion: learned words made and trained (Gal et al. 2022)."""
