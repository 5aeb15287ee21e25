"""Contracts of a queue store, a module for each subject.

One contract test runs against every store.

Requests wait in the queue, are leased to a worker, and leave only when their answer is in the sink
("take, work, commit"). The other parts hold small facts with a short life.
"""
