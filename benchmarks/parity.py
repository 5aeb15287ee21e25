"""How near Easel comes to AUTOMATIC1111: replays every recorded request and prints a table.

``python -m benchmarks.parity [GOLDENS [PATTERN]]`` writes ``benchmarks/PARITY.md`` when the whole
list was replayed.
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

from generator.engine import Engine
from generator.errors import GeneratorError
from tests.parity.replay import SAME, Case, all_cases, build_engine, judge, lacking, translate

OUTPUT = Path(__file__).with_name("PARITY.md")
LOOSE = 30.0  # dB, for DPM adaptive, whose step sizes amplify rounding (goldens/README.md)


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    case: str
    psnr: float | None
    verdict: str  # equal | differs | refused | not yet
    cause: str = ""

    def __str__(self) -> str:
        number = "" if self.psnr is None else "same" if self.psnr >= SAME else f"{self.psnr:.1f}"
        return f"| {self.case} | {number} | {self.verdict} | {self.cause} |"


def replay(engine: Engine, case: Case) -> Line:
    """Draw one case and compare."""
    missing = lacking(case)
    if missing:
        return Line(case.name, None, "not yet", missing)
    if not case.pictures:
        return Line(case.name, None, "not yet", "no picture recorded")
    try:
        verdict = judge(case, engine.run(translate(case.body)))
    except (GeneratorError, KeyError) as error:
        return Line(case.name, None, "refused", f"{type(error).__name__}: {error}"[:120])
    enough = verdict.psnr >= (LOOSE if "adaptive" in case.name else 40.0)
    causes = [] if enough else ["picture"]
    causes += [] if verdict.same_text else ["infotext"]
    return Line(case.name, verdict.psnr, "differs" if causes else "equal", ", ".join(causes))


def table(lines: Iterable[Line]) -> str:
    """The report in Markdown."""
    lines = list(lines)
    counts = Counter(line.verdict for line in lines)
    summary = ", ".join(
        f"{counts[word]} {word}" for word in ("equal", "differs", "refused", "not yet")
    )
    rows = "\n".join(map(str, lines))
    return (
        "# Parity with AUTOMATIC1111 v1.10.1\n\n"
        "Written by `python -m benchmarks.parity`. Equal: PSNR of at least 40 dB (DPM adaptive "
        "30 dB) for every picture of the case, and the same infotext.\n\n"
        f"{len(lines)} recorded cases: {summary}.\n\n"
        f"| case | PSNR (dB) | verdict | cause |\n|---|---|---|---|\n{rows}\n"
    )


def main(goldens: Path, pattern: str = "*") -> None:
    """Replay the cases whose name fits ``pattern``."""
    torch.set_num_threads(1)
    cases = [case for case in all_cases(goldens) if fnmatch.fnmatch(case.name, pattern)]
    with tempfile.TemporaryDirectory() as folder:
        engine = build_engine(goldens, Path(folder))
        lines = []
        for case in cases:
            started = time.perf_counter()
            lines.append(replay(engine, case))
            print(lines[-1], f"{time.perf_counter() - started:.1f} s", flush=True)
    if pattern == "*":
        OUTPUT.write_text(table(lines), "utf-8")


if __name__ == "__main__":
    given = sys.argv[1:]
    beside = Path(__file__).resolve().parents[2] / "shared" / "goldens"
    main(Path(given[0]) if given else beside, *given[1:2])
