"""Textual inversion: embeddings created and trained (Gal et al. 2022)."""
