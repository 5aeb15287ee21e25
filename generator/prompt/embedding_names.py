"""Which learned words a prompt names. No torch: the web process asks too."""

import re
from collections.abc import Iterable

from generator.unicode_names import to_nfc


def find_named(names: Iterable[str], prompts: str) -> tuple[str, ...]:
    """Those of ``names`` that stand in ``prompts`` as whole words, in any case."""
    text = to_nfc(prompts)
    lowered = text.lower()  # thousands of names: few come to the regular expression
    return tuple(name for name in names if to_nfc(name).lower() in lowered and _stands(name, text))


def _stands(name: str, text: str) -> bool:
    pattern = rf"(?<!\w){re.escape(to_nfc(name))}(?!\w)"
    return bool(name) and re.search(pattern, text, re.IGNORECASE) is not None
