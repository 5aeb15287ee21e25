"""The vendor's queue protocol on ``/api/predict/<service>``; docs/queue.md describes the wire."""
