"""One Easel a file of recorded cases; by ``GROUP`` or ``CASES`` a file says which are its own."""

from collections.abc import Iterator
from fnmatch import fnmatch

import pytest
import torch

from tests.conftest import shared_folder
from tests.parity.known_differences import cause_of
from tests.parity.recorded_cases import Case, all_cases
from tests.parity.recorded_xl import run_with_xl_models
from tests.parity.service import Service, run_with_goldens

GROUPS = (
    ("sampler_*", "sched_*", "steps_*", "p_*", "rng_*", "subseed_*", "seed_*"),
    ("i2i_*", "inpaint*"),
    ("hires_*", "refiner_*", "cn_*", "script_*", "xyz_*", "extras_*", "pnginfo_*"),
)
"""Case names by file; each file starts a service of its own, so that they can run side by side."""


def group_of(name: str) -> int:
    """The number of the group that a case belongs to; the last holds what no other names."""
    fitting = (i for i, patterns in enumerate(GROUPS) if any(fnmatch(name, p) for p in patterns))
    return next(fitting, len(GROUPS))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a recorded case."""
    if "case" not in metafunc.fixturenames:
        return
    mine = getattr(metafunc.module, "CASES", None)
    if mine is None:
        cases = all_cases(shared_folder() / "goldens")
        mine = [case for case in cases if group_of(case.name) == metafunc.module.GROUP]
    absent = pytest.param(None, marks=pytest.mark.skip("recorded cases are not here"), id="absent")
    metafunc.parametrize("case", [mark_known_difference(case) for case in mine] or [absent])


def mark_known_difference(case: Case) -> object:
    """A case, with its cause where it is known to differ."""
    cause = cause_of(case.name)
    marks = [pytest.mark.xfail(reason=cause, strict=True)] if cause else []
    return pytest.param(case, marks=marks, id=case.name)


@pytest.fixture(scope="module")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """An Easel over the models that the file names in ``MODELS``, else over the goldens'."""
    torch.set_num_threads(1)
    data_dir, models = tmp_path_factory.mktemp("data"), getattr(request.module, "MODELS", None)
    if models is None:
        run = run_with_goldens(request.getfixturevalue("goldens"), data_dir)
    else:
        run = run_with_xl_models(models, data_dir)
    with run as running:
        yield running
