"""The vendor's SDK, unchanged, against a whole service of the API edition.

It pins an old protobuf, so that it has a virtual environment of its own:
``python3.11 -m venv DIR && DIR/bin/pip install eas-prediction==0.36``, and
``EASEL_EAS_PYTHON=DIR/bin/python``.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.webapp.routes.queue_service import TOKEN, queue_service

DRIVER = Path(__file__).with_name("eas_sdk_client.py")
SECONDS = 600


@pytest.fixture
def sdk_python() -> str:
    """The Python that has the SDK."""
    python = os.environ.get("EASEL_EAS_PYTHON", "")
    if not python:
        pytest.skip("EASEL_EAS_PYTHON names no Python with eas-prediction; see the module")
    return python


def test_sdk_puts_gets_watches_commits_and_truncates(sdk_python: str, tmp_path: Path) -> None:
    with queue_service(tmp_path / "data") as service:
        endpoint = f"127.0.0.1:{service.web.port}"
        done = subprocess.run(
            [sdk_python, DRIVER, endpoint, TOKEN, "easel", "200"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stdout + done.stderr
