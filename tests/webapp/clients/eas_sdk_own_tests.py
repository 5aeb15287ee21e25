"""Runs the unit tests that come with the vendor's Python SDK; by the Python of its environment.

``python eas_sdk_own_tests.py HOST:PORT TOKEN QUEUE``; the queue's service answers a list of one
object with two members, as the vendor's own test service does. They share queues: in their order.
"""

import sys
import unittest

import eas_prediction.test_queue_client as theirs


def main(endpoint: str, token: str, queue: str) -> int:
    """Run them all; 0 where none failed."""
    theirs.QueueEndpoint, theirs.QueueToken, theirs.QueueName = endpoint, token, queue
    theirs.SinkQueueName = f"{queue.partition('/')[0]}/sink"
    suite = unittest.defaultTestLoader.loadTestsFromModule(theirs)
    outcome = unittest.TextTestRunner(sys.stdout, verbosity=2).run(suite)
    return 0 if outcome.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
