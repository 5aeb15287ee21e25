"""Whatever fits `/openapi.json`, and much that does not, gets an answer that it foretells.

``make fuzz`` looks longer, and elsewhere each time (``EASEL_FUZZ`` is the number of tries a route).
"""

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from generator.request import Generation
from tests.webapp.conftest import pretend
from webapp.queues.job_codec import QueuedGeneration

schemathesis = pytest.importorskip("schemathesis", reason="make test installs schemathesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

TRIES = int(os.environ.get("EASEL_FUZZ", "0"))
PLAIN = {"Accept-Encoding": "identity"}  # schemathesis does not unzip
ENDLESS = ("/api/events", "/api/files/events", "/api/v1/events")
FITTING, UNFIT = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
FEW = {FITTING: 12, UNFIT: 8}  # tries a route in the suite


def small(job: QueuedGeneration) -> Generation:
    """One picture of 8 x 8, whatever was asked for."""
    request = replace(job.request, width=8, height=8, batches=1, batch_size=1)
    return pretend(replace(job, request=request))


def no_failure(context: Any, response: Any, case: Any) -> None:
    """The service never fails. That no worker is ready, or that it cannot do a thing, is none."""
    if response.status_code >= 500 and case.path != "/readyz" and response.status_code != 501:
        raise AssertionError(f"{response.status_code} of {case.as_curl_command()}")


FORETOLD = [
    no_failure,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def trouble(operation: Any, mode: Any) -> str:
    """What goes wrong on one route; "" for nothing."""

    @settings(
        max_examples=TRIES or FEW[mode],
        derandomize=not TRIES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def ask(case: Any) -> None:
        case.call_and_validate(checks=FORETOLD, headers=PLAIN)

    try:
        ask()
    except (AssertionError, BaseExceptionGroup) as error:
        return f"{operation.label} {mode.name}: {error}"
    return ""


def asks(operation: Any) -> bool:
    """Whether a request of this route can be wrong at all."""
    return bool(list(operation.body) or list(operation.query))


@pytest.mark.parametrize("mode", FEW, ids=lambda mode: mode.name.lower())
def test_every_route_answers_as_its_schema_says(build: Any, mode: Any) -> None:
    house = build(image_links=False)
    house.draw = small
    schema = schemathesis.openapi.from_wsgi("/openapi.json", house.app)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 50
    asked = [
        each for each in operations if each.path not in ENDLESS and (mode is FITTING or asks(each))
    ]
    found = [trouble(each, mode) for each in asked]
    assert not any(found), "\n\n".join(filter(None, found))
