"""Machines made of Linux namespaces: each with a host name, process ids and a network of its own.

The file system stays the same, as a network mount would be.
"""

import os
import shutil
import subprocess

import pytest

ISOLATED = ("unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
"""What runs a program as on a machine of its own."""


def missing_namespaces() -> str:
    """Why no namespaces can be made here; "" where they can."""
    if os.geteuid() != 0:
        return "namespaces take root"
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "unshare (util-linux) or ip (iproute2) is not installed"
    probe = subprocess.run([*ISOLATED, "true"], capture_output=True, text=True)
    return "" if probe.returncode == 0 else f"no namespaces here: {probe.stderr.strip()}"


MISSING = missing_namespaces()
needs_namespaces = pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")
