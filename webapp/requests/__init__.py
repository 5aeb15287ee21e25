"""Bodies of the drawing routes, and their translation into a ``GenerationRequest``.

Field names, order, defaults and what coerces are AUTOMATIC1111's (contract sections 1.3 to 1.9).
The renames into Easel's own words happen here and nowhere else. Nothing here imports torch.
"""
