"""Image generation library: from a request to pictures. No HTTP, users or queues.

Importing this package, ``generator.request``, ``generator.hooks``, ``generator.errors`` or
``generator.models.registry`` never imports torch; the web process relies on it.
"""
