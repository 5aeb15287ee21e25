"""Writes the hashes into the locks: ``python -m tests.setup.lock_hashes``.

Run it after a version was changed there by hand. For each Python and machine that Easel is set up
on, pip tells which wheel it would install; what has no wheel is locked by its source archive.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-preprocessors.lock",
    "requirements-mcp.lock",
    "tests/webapp/clients/eas-sdk.lock",
)
UNHASHED_PACKAGES = ("torch", "torchvision")
"""Their builds for CPU and GPU differ, and may be files of the machine."""

SOURCE_PACKAGES = ("wsgidav",)
"""Have no wheel."""

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
GLIBCS = ("2_39", "2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17", "2_12", "2_5")
PIN = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")
NO_WHEEL = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)==")


def read_pins(lock: str) -> dict[str, str]:
    """Each package of a lock and its line without hashes, in their order."""
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    return {found[1]: found[0] for line in lines if (found := PIN.match(line))}


def canonical_name(name: str) -> str:
    """A package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pip_report(words: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """By name the hashes of what pip would install. Raises ``CalledProcessError``."""
    with tempfile.TemporaryDirectory() as folder:
        said, listed = Path(folder, "report.json"), Path(folder, "wanted.txt")
        listed.write_text("\n".join(wanted), "utf-8")
        command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--no-deps"]
        where = ["--ignore-installed", "--target", str(Path(folder, "none")), "-r", str(listed)]
        subprocess.run(
            [*command, *where, *words, "--report", str(said)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return hashes_of(json.loads(said.read_text("utf-8")))


def hashes_of(pip_report_json: Mapping[str, list[dict[str, dict[str, object]]]]) -> dict[str, str]:
    """By name the hashes in a report of pip."""
    return {
        canonical_name(str(each["metadata"]["name"])): each["download_info"]["archive_info"][
            "hashes"
        ][  # type: ignore[index]
            "sha256"
        ]
        for each in pip_report_json["install"]
    }


def wheel_hashes(python: str, machine: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """The hashes of the wheels for one Python on one machine; what has none is left out."""
    tags = (*(f"manylinux_{each}" for each in GLIBCS), "manylinux2014", "manylinux1", "linux")
    words = ["--only-binary", ":all:", "--python-version", python, "--implementation", "cp"]
    for abi in (f"cp{python.replace('.', '')}", "abi3", "none"):
        words += ["--abi", abi]
    for tag in tags:
        words += ["--platform", f"{tag}_{machine}"]
    left = dict(wanted)
    while True:
        try:
            return pip_report(words, left.values())
        except subprocess.CalledProcessError as error:
            missing = NO_WHEEL.search(error.stderr)
            if missing is None:
                raise
            print(f"no wheel for Python {python} on {machine}: {missing[1]}")
            del left[missing[1]]


def write_hashes(lock: str, hashes: Mapping[str, set[str]]) -> None:
    """Put the hashes behind their pins."""
    lines = []
    for line in (ROOT / lock).read_text("utf-8").splitlines():
        pin = PIN.match(line)
        digests = sorted(hashes.get(canonical_name(pin[1]), ())) if pin else []
        lines.append(
            " ".join([pin[0], *(f"--hash=sha256:{each}" for each in digests)]) if pin else line
        )
    (ROOT / lock).write_text("\n".join([*lines, ""]), "utf-8")


def main() -> None:
    """Ask for each lock."""
    for lock in LOCKS:
        hashes: dict[str, set[str]] = defaultdict(set)
        wanted = {
            name: pin for name, pin in read_pins(lock).items() if name not in UNHASHED_PACKAGES
        }
        sources = {name: wanted.pop(name) for name in SOURCE_PACKAGES if name in wanted}
        if sources:
            for name, digest in pip_report(
                ["--no-binary", ",".join(sources)], sources.values()
            ).items():
                hashes[name].add(digest)
        for python in PYTHONS:
            for machine in MACHINES:
                for name, digest in wheel_hashes(python, machine, wanted).items():
                    hashes[name].add(digest)
        write_hashes(lock, hashes)


if __name__ == "__main__":
    main()
