"""litmus, WebDAV's conformance test, where it is installed (Debian: apt-get install litmus)."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.webapp.web_process import web_process

OWN_PROPERTIES = {"propset", "propmanyns", "propget", "owner_modify"}
"""What litmus does with properties of its own, which are not offered: docs/files.md."""

TESTS_PASSED = 80  # of 88: all but those


@pytest.mark.skipif(shutil.which("litmus") is None, reason="litmus is not installed")
def test_all_but_own_properties_conforms(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with web_process(tmp_path / "data", f"--browse-root=any={tree}") as server:
        asked = subprocess.run(
            ["litmus", "-k", f"{server.url}/dav/any/"],
            cwd=tmp_path,
            capture_output=True,
            timeout=300,
        )
    told = asked.stdout.decode(errors="replace")
    failed = set(re.findall(r"\d+\. (\w+)\.* FAIL", told))
    assert failed <= OWN_PROPERTIES, told
    assert sum(map(int, re.findall(r"run: (\d+) passed", told))) >= TESTS_PASSED, told
