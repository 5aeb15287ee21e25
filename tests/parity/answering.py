"""The one test of the recorded cases; each file beside this one runs it over a group of them."""

from tests.parity.comparing import judge
from tests.parity.recorded import Case
from tests.parity.service import Service


def test_answers_as_recorded(service: Service, case: Case) -> None:
    verdict = judge(case, service.post(case.path, case.body))
    assert verdict.near, f"{verdict.psnr:.1f} dB"
    assert not verdict.causes
