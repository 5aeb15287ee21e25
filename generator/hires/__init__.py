"""The second pass of txt2img."""
