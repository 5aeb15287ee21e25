"""setup.sh and webui.sh: once, repaired when broken off, from anywhere, with clear complaints.

A pretended Python stands in for pip and venv, so that nothing is downloaded here; `make test` in a
clean clone is the real thing.
"""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.setup.lock_hashes import LOCKS
from tests.wait import TIMEOUT

ROOT = Path(__file__).resolve().parents[2]
PYTHON = """#!/bin/bash
echo "$*" >>"$PRETEND_LOG"
case "$*" in
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*"pip install"*" -r "*) cat -- "${@: -1}" >>"$PRETEND_LOG.listed" && [ ! -e "$PRETEND_LOG.fail" ] ;;
*"pip install"*) [ ! -e "$PRETEND_LOG.fail" ] ;;
*"-m webapp"*) echo "started in $PWD: ${*:3}" ;;
esac
"""


class Machine:
    """A checkout without a page, on a machine whose only Python is the pretended one."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "a check out"
        self.through: tuple[str, ...] = ()  # a program that starts webui.sh for us
        self.log = folder / "calls"
        self.elsewhere = folder / "else where"
        self.programs = folder / "bin"
        for made in (self.home, self.elsewhere, self.programs):
            made.mkdir()
        for name in ("webui.sh", "setup.sh", "requirements.lock", "setup.cfg", "pyproject.toml"):
            shutil.copy(ROOT / name, self.home / name)
        self.python = self.programs / "python3.11"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)

    def start(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run webui.sh from another directory."""
        return subprocess.run(
            [*self.through, str(self.home / "webui.sh"), *words],
            cwd=self.elsewhere,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "EASEL_PYTHON": str(self.python),
            "PRETEND_LOG": str(self.log),
        }

    def calls(self, part: str) -> int:
        """How often Python was called with ``part`` in its words since the last look."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.write_text("")
        return sum(part in line for line in lines)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_first_start_sets_up_and_second_does_not(machine: Machine) -> None:
    first = machine.start("--port", "8000")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"started in {machine.elsewhere}: --port 8000\n"
    assert machine.calls("pip install") == 3  # torch, the lock, Easel
    assert machine.start().returncode == 0
    assert machine.calls("pip install") == 0


def test_torch_comes_first(machine: Machine) -> None:
    machine.start()
    installs = [line for line in machine.log.read_text().splitlines() if "pip install" in line]
    assert installs[0].endswith(" --no-deps torchvision==0.28.0 torch==2.13.0")


def test_all_else_comes_with_its_hash_and_nothing_beside_it(machine: Machine) -> None:
    machine.start()
    installs = [line for line in machine.log.read_text().splitlines() if "pip install" in line]
    for word in ("--require-hashes", "--no-deps", "--only-binary :all:", "--no-binary wsgidav"):
        assert word in installs[1]
    listed = Path(f"{machine.log}.listed").read_text()
    assert "torch==" not in listed
    assert "torchvision==" not in listed
    assert "numpy==" in listed
    assert not list((machine.home / ".venv").glob(".easel-*.lock"))


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_a_lock_has_its_hashes(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    for line in pins:
        pin, *hashes = line.split(" ")
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+", pin), pin
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), pin
        assert bool(hashes) is not pin.startswith(("torch==", "torchvision==")), pin
    assert not re.search(r"https?:|file:|--(index|find|trusted|extra)", "\n".join(lines))


def test_the_lock_names_all_that_easel_asks_for() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    asked = re.findall(r"^[A-Za-z0-9_-]+", settings["options"]["install_requires"], re.MULTILINE)
    locked = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.M)
    assert {canonical(each) for each in asked} <= {canonical(each) for each in locked}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_words_arrive_as_they_were_typed(machine: Machine) -> None:
    done = machine.start("generate", "a red house, at night")
    assert done.stdout.endswith(": generate a red house, at night\n")


def test_a_set_up_that_broke_off_is_done_again(machine: Machine) -> None:
    mark = Path(f"{machine.log}.fail")
    mark.touch()
    broken = machine.start()
    assert broken.returncode == 1
    assert "torch" in broken.stderr
    assert "registry" in broken.stderr
    mark.unlink()
    machine.log.unlink()
    assert machine.start().returncode == 0
    assert machine.calls("-m venv") == 1


def test_a_changed_lock_is_installed_into_the_same_venv(machine: Machine) -> None:
    machine.start()
    machine.calls("")
    with (machine.home / "requirements.lock").open("a") as lock:
        lock.write("another==1.0\n")
    machine.start()
    log = machine.log.read_text()
    assert "pip install" in log
    assert "-m venv" not in log


def test_a_checkout_that_was_moved_gets_a_new_venv(machine: Machine) -> None:
    machine.start()
    machine.calls("")
    moved = machine.home.with_name("moved")
    machine.home.rename(moved)
    machine.home = moved
    assert machine.start().returncode == 0
    assert machine.calls("-m venv") == 1


def test_without_python_it_says_what_to_install(machine: Machine) -> None:
    needed = ("bash", "dirname", "cat", "sha256sum", "cut", "flock")
    only = machine.programs.with_name("only")
    only.mkdir()
    for name in needed:
        (only / name).symlink_to(shutil.which(name) or name)
    machine.python.unlink()
    done = machine.start(PATH=str(only), EASEL_PYTHON="")
    assert done.returncode == 1
    assert "Python 3.11 or newer was not found" in done.stderr


@pytest.mark.skipif(
    os.geteuid() == 0 and not shutil.which("setpriv"),
    reason="root may write everywhere, and setpriv is not here to take that from it",
)
def test_a_checkout_that_cannot_be_written_is_told(machine: Machine) -> None:
    if os.geteuid() == 0:
        machine.through = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    machine.home.chmod(0o555)
    done = machine.start()
    machine.home.chmod(0o755)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
