"""One module a family of routes; each exposes a ``blueprint(services)`` function."""
