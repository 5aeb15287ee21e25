"""What a user makes of pictures that are there: stars and rejects."""
