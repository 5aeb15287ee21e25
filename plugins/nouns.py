"""The old name of :mod:`plugins.api`: plugins written before the rename import it."""

import warnings

from plugins.api import *  # noqa: F403  (every noun that a plugin may name)
from plugins.api import nobody as nobody

warnings.warn(
    "plugins.nouns is called plugins.api now; import from there.", DeprecationWarning, stacklevel=2
)
