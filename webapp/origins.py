"""Which other sites' pages may call from a browser. No Flask."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origins:
    """``--cors-allow-origins`` and ``--cors-allow-origins-regex``; nobody by default."""

    names: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        """Whether anybody may."""
        return bool(self.names) or self.pattern is not None

    def allow(self, origin: str) -> bool:
        """Whether pages of ``origin`` (scheme, host, port) may; the pattern fits it whole."""
        if origin in self.names or "*" in self.names:
            return True
        return self.pattern is not None and self.pattern.fullmatch(origin) is not None
