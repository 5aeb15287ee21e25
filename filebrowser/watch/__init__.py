"""Watches folders for changes and publishes them to listeners."""
