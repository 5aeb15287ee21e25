"""Moving, copying, renaming, deleting, unpacking: as steps and as jobs."""
