"""What every test may ask for."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("GOMP_SPINCOUNT", "5000")  # see webapp/__main__.py
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes of a run share the cores already
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")  # a machine that stands still fails no example
ROOT = Path(__file__).resolve().parents[1]


def shared_folder() -> Path:
    """Where the recorded facts lie when they are here: beside the checkout, or where one says."""
    return Path(os.environ.get("EASEL_SHARED", ROOT.parent / "shared"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests run side by side, deal out the files of each folder in turn.

    Tests of some folders compute and those of others mostly wait for programs: this way both run
    at any time, and no long file of few tests is left for the end.
    """
    if not hasattr(config, "workerinput"):
        return
    files = dict.fromkeys(item.path for item in items)
    dealt = Counter[Path]()
    turns: dict[Path, int] = {}
    for file in files:
        turns[file] = dealt[file.parent]
        dealt[file.parent] += 1
    items.sort(key=lambda item: turns[item.path])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded facts; tests that need it skip without it."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip(f"recorded facts are not here: {folder} (set EASEL_SHARED)")
    return folder


@pytest.fixture(scope="session")
def goldens(shared: Path) -> Path:
    """Recorded answers and pictures of AUTOMATIC1111."""
    return shared / "goldens"


def memory_disk() -> str | None:
    """A disk in memory, where code that syncs is quick; None (the usual place) without one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """As ``tmp_path``, in memory where the system has such a disk."""
    folder = Path(tempfile.mkdtemp(prefix="easel-test-", dir=memory_disk()))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", autouse=True)
def module_folders(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Remove the folders that a test file made, unless one of its tests failed.

    pytest keeps those of ``tmp_path_factory`` until the whole run has ended: gigabytes.
    """
    top, failed = tmp_path_factory.getbasetemp(), request.session.testsfailed
    before = set(os.listdir(top))
    yield
    if request.session.testsfailed == failed:
        for name in set(os.listdir(top)) - before:
            shutil.rmtree(top / name, ignore_errors=True)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data directory."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder
