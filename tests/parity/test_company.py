"""Recorded cases of many kinds at once, each of which is what it is alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.parity.company import JOBS, draw_in_company
from tests.parity.recorded_cases import all_cases
from tests.parity.service import Service, run_with_goldens

SAMPLE = 24
KINDS = ("sampler_", "sched_", "p_", "subseed", "i2i_", "inpaint", "hires_", "rng_")


@pytest.fixture(scope="module")
def service(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    torch.set_num_threads(1)
    with run_with_goldens(goldens, tmp_path_factory.mktemp("data"), JOBS) as running:
        yield running


def test_cases_in_mixed_company_are_what_they_are_alone(service: Service, goldens: Path) -> None:
    """``python -m benchmarks.parity_in_company`` draws all of them."""
    of_kinds = [case for case in all_cases(goldens) if case.name.startswith(KINDS)]
    cases = of_kinds[:: max(1, len(of_kinds) // SAMPLE)]
    differing = [each for each in draw_in_company(service, cases) if not each.is_same]
    assert differing == []
    counts = service.engine.call_counts
    assert counts.shared > 0.1 * counts.calls
