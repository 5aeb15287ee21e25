"""What goes wrong with service files and services."""


class BadServiceFile(Exception):
    """The file, or the command line, asks for what cannot be done. The text names the key."""


class ServiceFailed(Exception):
    """A service cannot be started, found or ended. The text says why and what to do."""


def escape_text(text: str) -> str:
    """A text for a terminal, escaped where it could move the cursor or begin a line."""
    return text if text.isprintable() else repr(text)


def quote(value: object) -> str:
    """A value as messages show it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
