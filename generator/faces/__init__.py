"""Restores faces in finished pictures: finds them, mends each, puts it back."""
