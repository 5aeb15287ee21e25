"""LDM: the single-file layout and the networks of Stable Diffusion 1, 2 and XL."""
