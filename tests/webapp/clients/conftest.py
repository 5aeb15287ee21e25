"""The vendor's Python SDK in a virtual environment of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from generator.database import lock_file

LOCK = Path(__file__).with_name("eas-sdk.lock")
INSTALL_SECONDS = 300
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:")


@pytest.fixture(scope="session")
def sdk_python(pytestconfig: pytest.Config) -> str:
    """The Python that has the SDK: ``EASEL_EAS_PYTHON``, or one that is made once, and kept.

    Skips where it cannot be installed.
    """
    if python := os.environ.get("EASEL_EAS_PYTHON", ""):
        return python
    folder = pytestconfig.cache.mkdir("eas-sdk") / "environment"
    with lock_file(folder):
        why = install_sdk(folder)
    if why:
        pytest.skip(f"eas-prediction cannot be installed here (or name EASEL_EAS_PYTHON): {why}")
    return str(folder / "bin/python")


def install_sdk(folder: Path) -> str:
    """Make the environment where it is not what the lock says; why that failed, or ""."""
    note, python = folder / "installed.lock", str(folder / "bin/python")
    if note.is_file() and note.read_bytes() == LOCK.read_bytes():
        return ""
    for step in (
        (sys.executable, "-m", "venv", "--clear", str(folder)),
        (python, *PIP, "--require-hashes", "-r", str(LOCK)),
        (python, "-c", "import eas_prediction"),
    ):
        try:
            subprocess.run(step, check=True, capture_output=True, timeout=INSTALL_SECONDS)
        except subprocess.CalledProcessError as error:
            return str(error.stderr.decode("utf-8", "replace"))[-500:]
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    note.write_bytes(LOCK.read_bytes())
    return ""
