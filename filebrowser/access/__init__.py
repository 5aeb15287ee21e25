"""The path gate, and what a caller may do behind it."""
