"""Users' pictures: bounded opening, thumbnails, generation facts."""
