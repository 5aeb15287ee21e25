"""Start positions in pixels of tiles that cover a length. No numpy."""

from math import ceil


def tile_starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    """The starts of tiles of one size, evenly spread, that overlap by ``overlap`` at least."""
    count = max(ceil((length - overlap) / (tile - overlap)), 1)
    step = (length - tile) / (count - 1) if count > 1 else 0.0
    starts = (int(index * step) for index in range(count - 1))
    return (*starts, length - tile)  # the last by itself: rounding may stop short of the edge
