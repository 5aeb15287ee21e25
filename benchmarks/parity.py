"""Parity with AUTOMATIC1111: replays every recorded request and prints a table.

``python -m benchmarks.parity [GOLDENS [PATTERN]]`` sends each request to a whole Easel, as a client
would, and writes ``benchmarks/PARITY.md`` when the whole list was replayed.
"""

import fnmatch
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.parity.compare import EQUAL_PSNR, compare_reply
from tests.parity.known_differences import cause_of
from tests.parity.recorded_cases import Case, all_cases
from tests.parity.service import Service, run_with_goldens

OUTPUT = Path(__file__).with_name("PARITY.md")


@dataclass(frozen=True)
class ParityLine:
    """One row of the table."""

    case: str
    psnr: float | None
    verdict: str  # equal | differs
    cause: str = ""

    def __str__(self) -> str:
        number = (
            "" if self.psnr is None else "same" if self.psnr >= EQUAL_PSNR else f"{self.psnr:.1f}"
        )
        return f"| {self.case} | {number} | {self.verdict} | {self.cause} |"


def replay(service: Service, case: Case) -> ParityLine:
    """Ask for one case and compare."""
    verdict = compare_reply(case, service.post(case.path, case.body))
    causes = [*([] if verdict.is_near else ["picture"]), *verdict.causes]
    if verdict.is_equal and case.status >= 500:
        causes = ["AUTOMATIC1111 failed here"]
    elif not verdict.is_equal:
        causes.append(cause_of(case.name) or "unknown cause")
    word = "equal" if verdict.is_equal else "differs"
    return ParityLine(case.name, verdict.psnr, word, "; ".join(causes).replace("|", "/"))


def table(lines: Iterable[ParityLine]) -> str:
    """The report in Markdown."""
    lines = list(lines)
    counts = Counter(line.verdict for line in lines)
    rows = "\n".join(map(str, lines))
    return (
        "# Parity with AUTOMATIC1111 v1.10.1\n\n"
        "Written by `python -m benchmarks.parity`. Equal: PSNR of at least 40 dB (DPM adaptive "
        "30 dB) for every picture of the case; the same number, sizes, modes and order of "
        "pictures; the same infotext, `info` and `parameters` but for version and job_timestamp."
        "\n\n"
        f"{len(lines)} recorded cases: {counts['equal']} equal, {counts['differs']} differ.\n\n"
        f"| case | PSNR (dB) | verdict | cause |\n|---|---|---|---|\n{rows}\n"
    )


def main(goldens: Path, pattern: str = "*") -> None:
    """Replay the cases whose name fits ``pattern``."""
    torch.set_num_threads(1)
    cases = [case for case in all_cases(goldens) if fnmatch.fnmatch(case.name, pattern)]
    with (
        tempfile.TemporaryDirectory() as folder,
        run_with_goldens(goldens, Path(folder)) as service,
    ):
        lines = []
        for case in cases:
            started = time.perf_counter()
            lines.append(replay(service, case))
            print(lines[-1], f"{time.perf_counter() - started:.1f} s", flush=True)
    if pattern == "*":
        OUTPUT.write_text(table(lines), "utf-8")


if __name__ == "__main__":
    given = sys.argv[1:]
    beside = Path(__file__).resolve().parents[2] / "shared" / "goldens"
    main(Path(given[0]) if given else beside, *given[1:2])
