"""One generation job: its passes, the loaded models, progress, notes, what leaves it."""
