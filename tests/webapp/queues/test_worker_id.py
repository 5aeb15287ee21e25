"""The name under which a worker takes jobs."""

import pytest

from webapp.queues.worker_id import WorkerId


@pytest.mark.parametrize(
    "worker",
    [WorkerId("cpu", "host", 4711), WorkerId("cuda:0", "gpu.example.org", 1), WorkerId("door")],
)
def test_an_identity_is_read_as_it_was_written(worker: WorkerId) -> None:
    assert WorkerId.parse(str(worker)) == worker


def test_the_text_of_an_identity_is_as_queues_have_it_on_disk() -> None:
    assert str(WorkerId("cuda:0", "host", 4711)) == "cuda:0@host:4711"


@pytest.mark.parametrize("text", ["cpu@host", "cpu@host:", "cpu@:4711", "cpu@host:x"])
def test_a_text_that_names_no_process_is_kept_whole(text: str) -> None:
    worker = WorkerId.parse(text)
    assert (str(worker), worker.is_dead) == (text, False)
