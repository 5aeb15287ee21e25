"""Every recorded case alone and in mixed company: ``python -m benchmarks.parity_in_company``.

``[GOLDENS [PATTERN]]``: where the recorded cases lie, and which of them. Eight clients ask for all
at once; each picture is compared with that of a lone run. Prints what differs, and the least alike.
"""

import fnmatch
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.figures import GOLDENS
from tests.parity.company import JOBS, SAME_PSNR, draw_in_company
from tests.parity.recorded_cases import all_cases
from tests.parity.service import run_with_goldens


def main(goldens: Path = GOLDENS, pattern: str = "*") -> int:
    """Draw them; the exit code is 1 where any is not the same."""
    torch.set_num_threads(1)
    cases = [case for case in all_cases(goldens) if fnmatch.fnmatch(case.name, pattern)]
    with (
        tempfile.TemporaryDirectory() as folder,
        run_with_goldens(goldens, Path(folder), JOBS) as service,
    ):
        found = list(draw_in_company(service, cases))
        counts = service.engine.call_counts
    for each in found:
        if not each.is_same:
            print(each.case, each.psnr, *each.causes)
    drawn = [each.psnr for each in found if each.psnr is not None]
    print(
        f"{len(found)} cases, {sum(each.is_same for each in found)} the same "
        f"(at least {SAME_PSNR:.0f} dB); the least alike {min(drawn):.1f} dB; {counts.shared} of "
        f"{counts.calls} calls of the network shared, {counts.rows / counts.calls:.1f} rows each"
    )
    return 0 if all(each.is_same for each in found) else 1


if __name__ == "__main__":
    asked = sys.argv[1:]
    sys.exit(main(Path(asked[0]) if asked else GOLDENS, *asked[1:2]))
