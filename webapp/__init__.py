"""The service around the generator: flags, queue, HTTP, pages. The only package that composes."""
