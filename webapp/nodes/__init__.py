"""What several web processes of one service have in common, over the queue's server."""
