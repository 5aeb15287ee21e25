"""Trains what ships beside the default checkpoint: LoRA, an embedding, a ControlNet."""
