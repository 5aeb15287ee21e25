"""Words for pictures, by the networks that a user has put under ``models/``."""
