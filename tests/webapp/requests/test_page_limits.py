"""What the page takes in its fields is what the API takes."""

import json
import math
from pathlib import Path

from webapp.requests.extras import RANGES as OF_EXTRAS
from webapp.requests.img2img import RANGES as OF_IMG2IMG
from webapp.requests.ranges import RANGES
from webapp.requests.txt2img import RANGES as OF_HIRES

LIMITS = Path(__file__).parents[3] / "static" / "src" / "generation" / "limits.json"


def test_the_fields_of_the_page_have_the_limits_of_the_api() -> None:
    limits = json.loads(LIMITS.read_text(encoding="utf-8"))
    ranges = {**RANGES, **OF_HIRES, **OF_IMG2IMG, **OF_EXTRAS}
    known = {name: [0 if low == -math.inf else low, high] for name, (low, high) in ranges.items()}
    assert limits == {name: known[name] for name in limits}
    assert len(limits) > 5
