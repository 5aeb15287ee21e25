"""Whether an error means that the memory of the machine or of its graphics card ran out.

CUDA raises a class of its own; on the CPU torch, oneDNN, safetensors and OpenCV raise what they
raise for everything else, and only their words tell. This module knows none of them.
"""

import errno

OUR_PACKAGES = frozenset({"webapp", "generator", "plugins", "filebrowser"})
"""Packages whose errors quote callers: their words are no evidence, only what caused them."""

MEMORY_PHRASES = (
    "can't allocate memory",  # torch on the CPU, with "DefaultCPUAllocator" before it
    "cannot allocate memory",
    "unable to allocate",
    "failed to allocate",
    "not enough memory",
    "out of memory",
    "insufficient memory",
    "bad_alloc",
    "alloc_failed",  # cuBLAS and cuDNN
    "could not create a memory object",  # oneDNN
)
TORCH_PREFIX = "Allocator: "  # what stands before it in torch's sentence is of no use to a caller


def find_memory_error(error: BaseException | None) -> BaseException | None:
    """The out-of-memory error in this error's chain of causes (itself included), else None."""
    while error is not None:
        if _is_memory_error(error):
            return error
        error = error.__cause__
    return None


def _is_memory_error(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOMEM
    if type(error).__module__.partition(".")[0] in OUR_PACKAGES:
        return False
    text = str(error).lower()
    return any(words in text for words in MEMORY_PHRASES)


def first_sentence(error: BaseException) -> str:
    """The first sentence of a long message; torch appends advice of many lines."""
    line = str(error).partition("\n")[0]
    message = line.partition(TORCH_PREFIX)[2] or line
    return message.partition(". ")[0] or type(error).__name__
