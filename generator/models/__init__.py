"""What lies under ``models/``: the index of files, their loading, and the memory they take."""
