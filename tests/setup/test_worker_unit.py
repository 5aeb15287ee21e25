"""The systemd unit of a worker says what the flags and the worker's own times say."""

import configparser
import shlex
from pathlib import Path

from webapp.settings.config import parse
from webapp.settings.flags import FLAGS, environment_variable
from webapp.worker.shutdown import FORCED_EXIT_GRACE, SIGTERM_GRACE

UNIT = Path(__file__).resolve().parents[2] / "deploy/systemd/easel-worker@.service"


def read_unit() -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    return unit


def test_the_unit_starts_a_worker_with_flags_that_there_are() -> None:
    program, command, *flags = shlex.split(read_unit()["Service"]["ExecStart"].replace("%i", "1"))
    assert (Path(program).name, command) == ("webui.sh", "worker")
    config = parse(flags, {})
    assert (config.data_dir, config.device) == (Path("/mnt/easel"), "cuda:1")


def test_the_unit_waits_for_a_workers_own_end_and_leaves_a_drained_one_away() -> None:
    service = read_unit()["Service"]
    assert int(service["TimeoutStopSec"]) > SIGTERM_GRACE + FORCED_EXIT_GRACE
    assert service["Restart"] == "on-failure"  # 0 is how a drained worker ends
    assert service["KillMode"] == "mixed"


def test_the_variables_of_its_file_are_flags() -> None:
    known = {environment_variable(flag) for flag in FLAGS}
    told = {line.lstrip("# ").partition("=")[0] for line in UNIT.read_text().splitlines()
            if line.lstrip("# ").startswith("EASEL_")}  # fmt: skip
    assert told == {"EASEL_QUEUE_URL"}
    assert told <= known
