"""One generation job: passes, loaded models, progress, infotext notes, output filter."""
