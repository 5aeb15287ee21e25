"""A training that is told to stop takes its workers along."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

PROGRAM = """
import sys, time
from pathlib import Path
import torch
from torch import nn
from generator.default_checkpoint.hogwild import Plan, Task, train

def make_loss(worker, device):
    def loss(model, step):
        time.sleep(0.01)
        return model(torch.ones(1, 2, dtype=torch.bfloat16)).float().sum(), {}, 1
    return loss

train(Task("tiny", lambda: nn.Linear(2, 1), make_loss), Plan(5, 1e-3), Path(sys.argv[1]))
"""


def test_sigterm_ends_the_workers_too(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)]) as training:
        crew: list[psutil.Process] = []
        until = time.monotonic() + 60
        while len(crew) < 2 and time.monotonic() < until:
            time.sleep(0.05)
            crew = psutil.Process(training.pid).children()
        assert len(crew) == 2
        time.sleep(0.5)
        training.send_signal(signal.SIGTERM)
        alive = crew
        for _ in range(200):  # by count, not by the clock: a machine may stand still in between
            _, alive = psutil.wait_procs(alive, timeout=0.1)
            if not alive:
                break
        for worker in alive:
            worker.kill()
    assert alive == []
    assert training.returncode == 128 + signal.SIGTERM
