"""The default checkpoint: ``easel-default.safetensors``, which a first start copies to the models.

The programs that made it are in ``training``; nothing of them runs when Easel serves.
"""
