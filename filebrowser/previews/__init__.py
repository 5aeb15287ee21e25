"""Previews of a file's contents, read within limits; nothing is executed."""
