"""What changes on disk, and how listeners hear of it."""
