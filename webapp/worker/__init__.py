"""The worker process: takes jobs from the queue, draws, saves, answers."""
