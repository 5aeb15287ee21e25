"""The vendor's service files, run on this machine."""
