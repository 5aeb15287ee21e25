"""Routes of accounts; they are there with ``--accounts`` alone."""
