"""A training that is told to stop takes its workers along."""

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.wait import wait_until

PROGRAM = """
import sys, time
from pathlib import Path
import torch
from torch import nn
from training.hogwild import TrainingPlan, TrainingTask, train

def make_loss(worker, device):
    def loss(model, step):
        time.sleep(0.01)
        return model(torch.ones(1, 2, dtype=torch.bfloat16)).float().sum(), {}, 1
    return loss

train(TrainingTask("tiny", lambda: nn.Linear(2, 1), make_loss), TrainingPlan(5, 1e-3),
Path(sys.argv[1]))
"""


def test_sigterm_ends_the_workers_too(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)]) as training:
        crew = psutil.Process(training.pid).children
        wait_until(lambda: len(crew()) == 2)
        workers = crew()
        time.sleep(0.5)
        training.send_signal(signal.SIGTERM)
        try:
            wait_until(lambda: not any(worker.is_running() for worker in workers))
        finally:
            for worker in workers:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
    assert training.returncode == 128 + signal.SIGTERM
