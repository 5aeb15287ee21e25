"""From latents to pictures and files: decoding, infotext, saving."""
