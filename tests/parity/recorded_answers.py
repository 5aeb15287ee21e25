"""The one test of the recorded cases; each file beside this one runs it over a group of them."""

from tests.parity.compare import compare_reply
from tests.parity.recorded_cases import Case
from tests.parity.service import Service


def test_answers_as_recorded(service: Service, case: Case) -> None:
    verdict = compare_reply(case, service.post(case.path, case.body))
    assert verdict.is_near, f"{verdict.psnr:.1f} dB"
    assert not verdict.causes
