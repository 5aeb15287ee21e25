"""Where all cores draw, the web process goes first."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from tests.conftest import ROOT
from tests.wait import wait_until
from webapp.process_tree import SUPERVISOR_VARIABLE
from webapp.worker.main import CPU_NICENESS


def test_a_worker_that_draws_on_the_cpu_gives_way(tmp_path: Path) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "webapp", "worker", "--device=cpu", f"--data-dir={tmp_path}",
         "--no-default-checkpoint", "--watch=off"],
        cwd=ROOT,
        env={**os.environ, SUPERVISOR_VARIABLE: str(os.getpid())},
    )  # fmt: skip
    try:
        gives_way = min(os.nice(0) + CPU_NICENESS, 19)
        wait_until(
            lambda: worker.poll() is not None or psutil.Process(worker.pid).nice() == gives_way
        )
        assert psutil.Process(worker.pid).nice() == gives_way
    finally:
        worker.kill()
        worker.wait()
