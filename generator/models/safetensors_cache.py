"""Converts pickled model files to safetensors once, in a child process, and keeps the result.

A pickle can start programs, eat the memory or never end. So it is opened by a child
(:mod:`generator.models.torch_to_safetensors`) that imports nothing of it and is bounded; here only
the safetensors file is read that it leaves.
"""

import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from generator.atomic_file import write_atomically
from generator.errors import ModelUnreadable
from generator.models.plain_files import stamp_of
from generator.run_timer import sleep_slices

MODULE = "generator.models.torch_to_safetensors"
ROOT = Path(__file__).resolve().parents[2]
LEAST_SECONDS = 60.0
SECONDS_A_BYTE = 1 / (5 << 20)  # a slow disk reads and writes 10 MiB a second
SUFFIX = ".safetensors"
SOURCE_SUFFIX = ".source"  # beside a kept file: what it was made of

log = logging.getLogger(__name__)


@contextmanager
def open_as_safetensors(source: Path, folder: Path | None) -> Iterator[Path]:
    """A safetensors file with the tensors of ``source``.

    It stays in ``folder``; without one, or where nothing can be written there, it is gone at the
    end (mapped numbers stay readable). Raises :class:`ModelUnreadable` naming the file and OSError
    where it cannot be opened.
    """
    if folder is None:
        yield from _convert_temporarily(source)
        return
    cached = folder / f"{cache_key(source)}{SUFFIX}"
    if not cached.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _convert_into_cache(source, cached)
        except OSError as error:
            log.warning("%s is converted each time: %s", source.name, error)
            yield from _convert_temporarily(source)
            return
    yield cached


def cache_key(source: Path) -> str:
    """Names one state of a file: 64 hex digits of its path and its stamp."""
    return hashlib.sha256(json.dumps(file_state(source)).encode()).hexdigest()


def file_state(source: Path) -> list[object]:
    """What tells a file from one that takes its place later."""
    return [str(source.absolute()), *stamp_of(source.stat())]


def delete_stale(folder: Path) -> int:
    """Delete what was made of files that are gone or changed, or was left half done; how many."""
    deleted = 0
    for cached in folder.glob(f"*{SUFFIX}"):
        note = cached.with_suffix(SOURCE_SUFFIX)
        try:
            current = cache_key(Path(os.fsdecode(note.read_bytes()))) == cached.stem
        except (OSError, ValueError):
            current = False
        if not current:
            cached.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
            deleted += 1
    return deleted


def _convert_into_cache(source: Path, cached: Path) -> None:
    part = cached.with_name(f".{cached.stem}.{uuid4().hex}")
    try:
        convert(source, part)
        write_atomically(cached.with_suffix(SOURCE_SUFFIX), os.fsencode(source.absolute()))
        os.replace(part, cached)
    finally:
        part.unlink(missing_ok=True)


def _convert_temporarily(source: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="easel-model-") as folder:
        target = Path(folder) / "model.safetensors"
        convert(source, target)
        yield target


def convert(source: Path, target: Path) -> None:
    """Let the child write ``target``. Raises :class:`ModelUnreadable` with its sentence."""
    seconds = LEAST_SECONDS + source.stat().st_size * SECONDS_A_BYTE
    environment = {
        "PYTHONPATH": str(ROOT),
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-m", MODULE, str(source.absolute()), str(target)],
        cwd=target.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as reader:
        stderr = _read_stderr(reader, seconds)
    if stderr is None:
        raise conversion_error(source, f"reading it took longer than {seconds:.0f} seconds")
    if reader.returncode:
        lines = stderr.decode("utf-8", "replace").strip().splitlines()
        raise conversion_error(
            source, lines[-1] if lines else f"its reader ended with {reader.returncode}"
        )


def _read_stderr(reader: "subprocess.Popen[bytes]", seconds: float) -> bytes | None:
    """What a reader has written to its end; None where it does not end in time, and is killed."""
    try:
        for pause in sleep_slices(seconds):
            with suppress(subprocess.TimeoutExpired):
                return reader.communicate(timeout=pause)[1]
        return None
    finally:
        reader.kill()


def conversion_error(source: Path, why: str) -> ModelUnreadable:
    """The error of a file that cannot be converted."""
    bare = why.removeprefix(f"{source.name} is ").rstrip(".")
    return ModelUnreadable(f"{source.name} cannot be read: {bare}")
