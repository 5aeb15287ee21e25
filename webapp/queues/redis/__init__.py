"""The queue store of several machines: Redis 7 or newer, or Valkey.

Each change is one act of the script in ``scripts/``, which the server runs alone; time is the
server's. ``docs/queue.md`` lists the keys.
"""
