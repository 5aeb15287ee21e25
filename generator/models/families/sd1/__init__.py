"""Stable Diffusion 1.x: its configurations and its layout in a single file."""
