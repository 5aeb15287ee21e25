"""What the job API refuses by flags and limits, and that nothing of it is left."""

from typing import Any

from tests.webapp.routes.job_service import JOBS, TXT2IMG

JOB = {"path": TXT2IMG, "body": {"prompt": "a boat", "steps": 2, "width": 64, "height": 64}}


def test_webhooks_can_be_turned_off(build: Any) -> None:
    client = build(webhooks=False, working=False).client()
    refused = client.post(JOBS, json={**JOB, "webhook": "https://example.com/"})
    assert (refused.status_code, "--no-webhooks" in refused.get_json()["detail"]) == (422, True)
    assert client.post(JOBS, json=JOB).status_code == 202


def test_a_full_queue_refuses_once_and_the_key_stays_free(build: Any) -> None:
    house = build(max_queued_jobs=1, working=False)
    client, key = house.client(), {"Idempotency-Key": "k"}
    first = client.post(JOBS, json=JOB).get_json()["id"]
    refused = client.post(JOBS, json=JOB, headers=key)
    assert (refused.status_code, len(house.store.list_frames())) == (429, 1)
    assert client.delete(f"{JOBS}/{first}").get_json()["state"] == "cancelled"
    taken = client.post(JOBS, json=JOB, headers=key)
    assert (taken.status_code, "Idempotent-Replayed" in taken.headers) == (202, False)
    again = client.post(JOBS, json=JOB, headers=key)
    assert again.get_json()["id"] == taken.get_json()["id"]
    assert len(house.store.list_frames()) == 1


def test_a_cancelled_job_has_the_answer_of_one_that_was_stopped_before_it_began(build: Any) -> None:
    client = build(working=False).client()
    job = client.post(JOBS, json=JOB).get_json()["id"]
    client.delete(f"{JOBS}/{job}")
    result = client.get(f"{JOBS}/{job}/result")
    assert (result.status_code, result.get_json()["images"]) == (200, [])


def test_stopping_all_drawing_leaves_waiting_jobs_of_the_api(build: Any) -> None:
    client = build(working=False).client()
    job = client.post(JOBS, json=JOB).get_json()["id"]
    client.post("/sdapi/v1/interrupt", json={})
    assert client.get(f"{JOBS}/{job}").get_json()["state"] == "queued"
