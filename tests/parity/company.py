"""Draws recorded cases alone, and then in the company of others; how alike they are."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.parity.compare import decode_image, different_facts, psnr, response_images
from tests.parity.recorded_cases import Case
from tests.parity.service import Service, ServiceReply

JOBS = 8
SAME_PSNR = 60.0  # dB, to a lone run


@dataclass(frozen=True)
class Likeness:
    """How a case in company differs from itself alone."""

    case: str
    psnr: float | None  # dB, of the least alike pictures; None without pictures
    causes: Sequence[str]

    @property
    def is_same(self) -> bool:
        """Whether it is the same but for the last bits."""
        return not self.causes and (self.psnr is None or self.psnr >= SAME_PSNR)


def draw_in_company(service: Service, cases: Sequence[Case]) -> Iterator[Likeness]:
    """Ask for all cases one after another, and then for all at once."""

    def post(case: Case) -> ServiceReply:
        return service.post(case.path, case.body)

    alone = [post(case) for case in cases]
    with ThreadPoolExecutor(JOBS) as clients:
        together = list(clients.map(post, cases))
    for case, one, other in zip(cases, alone, together, strict=True):
        yield compare(case.name, one, other)


def compare(case: str, alone: ServiceReply, together: ServiceReply) -> Likeness:
    """Two answers to one request."""
    if alone.status != together.status or not isinstance(alone.body, Mapping):
        same = alone == together
        return Likeness(case, None, () if same else (f"{alone.status}, {together.status}",))
    pictures = [[*map(decode_image, response_images(each.body))] for each in (alone, together)]
    if len(pictures[0]) != len(pictures[1]):
        return Likeness(case, None, ("other pictures",))
    nearness = [psnr(one, other) for one, other in zip(*pictures, strict=True)]
    causes = tuple(different_facts(alone.body, together.body))
    return Likeness(case, min(nearness, default=None), causes)
