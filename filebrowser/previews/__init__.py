"""What is inside a file, read within bounds and told as facts. Nothing of it is run."""
