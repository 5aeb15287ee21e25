"""Names of the folders that the file browser keeps, hidden, at the top of each root."""

TRASH_FOLDER = ".trash"
STAGING_FOLDER = ".uploads"  # uploads that are not whole yet
