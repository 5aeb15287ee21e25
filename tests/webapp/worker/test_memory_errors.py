"""Memory that ran out is told as such, whoever noticed it; weights are dropped, work goes on."""

import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from generator.errors import BadRequest, ModelUnreadable, WrongArchitecture
from generator.hooks import Watch
from generator.memory_errors import find_memory_error
from generator.request import Generation, GenerationRequest
from tests.webapp.worker.worker_bench import WorkerThread, generation
from webapp.errors import error_answer

CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB. GPU 0 has ...")


def of_torch() -> Exception:
    """What torch itself raises on the CPU."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50, dtype=torch.uint8)
    return caught.value


def of_numpy() -> Exception:
    """What numpy itself raises."""
    with pytest.raises(MemoryError) as caught:
        np.ones(1 << 50, dtype=np.uint8)
    return caught.value


def chain_errors(error: Exception, outer: Exception) -> Exception:
    """An error that our code made of another."""
    outer.__cause__ = error
    return outer


ERRORS: dict[str, Callable[[], Exception]] = {
    "torch": of_torch,
    "numpy": of_numpy,
    "cuda": lambda: CUDA,
    "oneDNN": lambda: RuntimeError("could not create a memory object"),
    "cublas": lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."),
    "system": lambda: OSError(errno.ENOMEM, "Cannot allocate memory"),
    "python": MemoryError,
    "adapter": lambda: chain_errors(of_torch(), WrongArchitecture("The LoRA x does not fit")),
    "file": lambda: chain_errors(CUDA, ModelUnreadable("x.safetensors cannot be read")),
}
OTHERS = (
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (77x768 and 1024x320)"),
    BadRequest("There is no LoRA 'out of memory'."),
    OSError(errno.ENOENT, "out of memory.safetensors"),
    ValueError("x"),
)


@pytest.mark.parametrize("name", ERRORS)
def test_memory_is_told_alike_whoever_noticed(name: str) -> None:
    answer = error_answer(ERRORS[name]())
    body = json.loads(answer.body)
    assert (answer.status, body["error"]) == (500, "OutOfMemoryError")
    assert body["detail"] == body["errors"]
    assert body["detail"].startswith("Out of memory: ask for a smaller picture")
    assert len(body["detail"]) < 250


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_are_not_taken_for_it(error: Exception) -> None:
    assert find_memory_error(error) is None


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[WorkerThread]:
    made = WorkerThread(tmp_path)
    yield made
    made.end()


def test_the_worker_drops_weights_and_goes_on(bench: WorkerThread) -> None:
    def run(request: GenerationRequest, watch: Watch) -> Generation:
        if request.prompt in ERRORS:
            raise ERRORS[request.prompt]()
        return generation(request)

    bench.engine.act = run
    for count, name in enumerate(ERRORS, 1):
        bench.put(name)
        status, body = bench.answer(name)
        assert (status, body["error"]) == (500, "OutOfMemoryError")
        assert bench.engine.unloaded == count
    bench.put("after")
    assert bench.answer("after")[0] == 200
