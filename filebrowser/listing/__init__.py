"""What folders hold: entries, orders, kinds of files."""
