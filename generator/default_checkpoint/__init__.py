"""The default checkpoint: a drawing program, and the training that turns it into weights.

``scene`` draws pictures with captions, ``vae`` and ``diffusion`` learn from them, ``export`` writes
the one file that the package ships, ``score`` measures it. Nothing here runs when Easel serves:
the service only reads ``easel-default.safetensors``.
"""
