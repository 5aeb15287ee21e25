"""The steps, in order; ``schema.HEAD`` is the last one."""
