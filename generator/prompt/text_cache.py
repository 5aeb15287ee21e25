"""Keeps what text encoders said of texts, across jobs, as far as a number of bytes allows."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generator.prompt.conditioning import EncodedTexts

MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, eq=False)
class KeptTexts:
    """An encoding, and the textual inversions that its texts name, in order."""

    encoded: "EncodedTexts"
    inversions: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        tensors = (self.encoded.contexts, self.encoded.pooled)
        return sum(each.nbytes for each in tensors if each is not None)


@dataclass(slots=True, eq=False)
class TextCache:
    """The last used encodings. Not for several threads at once."""

    max_bytes: int = MAX_BYTES
    size: int = 0  # bytes
    _kept: OrderedDict[Hashable, KeptTexts] = field(default_factory=OrderedDict)

    def find(self, key: Hashable) -> KeptTexts | None:
        """What was kept under ``key``, if it is here still."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: Hashable, texts: KeptTexts) -> None:
        """Keep an encoding; the least lately used ones leave for it."""
        self.drop(key)
        self._kept[key] = texts
        self.size += texts.size
        while self.size > self.max_bytes:
            self.drop(next(iter(self._kept)))

    def drop(self, key: Hashable) -> None:
        """Forget an encoding, if it is here."""
        gone = self._kept.pop(key, None)
        self.size -= gone.size if gone else 0

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self.size = 0


@dataclass(frozen=True, slots=True)
class TextShelf:
    """The place in a cache of one way to encode: ``scope`` tells all of it but the texts."""

    cache: TextCache
    scope: Hashable

    def find(self, texts: Sequence[str]) -> KeptTexts | None:
        """As :meth:`TextCache.find`."""
        return self.cache.find((self.scope, *texts))

    def keep(self, texts: Sequence[str], kept: KeptTexts) -> None:
        """As :meth:`TextCache.keep`."""
        self.cache.keep((self.scope, *texts), kept)
