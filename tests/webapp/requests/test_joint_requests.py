"""Which requests may be drawn beside others, and how one asks for the same bits."""

from typing import Any

import pytest

from webapp.queues.joint_jobs import JOIN_TAG

SMALL = {"prompt": "a red house", "width": 64, "height": 64, "steps": 2, "seed": 7}


def tag_of(house: Any, body: dict[str, Any]) -> str | None:
    """The tag of the frame that a body became."""
    seen: list[str | None] = []
    put = house.store.put
    house.store.put = lambda frame, *rest, **more: (
        seen.append(frame.tags.get(JOIN_TAG)) or put(frame, *rest, **more)
    )
    try:
        assert house.txt2img({**SMALL, **body}).status_code == 200
    finally:
        house.store.put = put
    return seen[0]


def test_jobs_of_one_checkpoint_have_one_tag(house: Any) -> None:
    other = {"prompt": "a blue dog", "width": 128, "steps": 9, "sampler_name": "DDIM"}
    assert tag_of(house, {}) == tag_of(house, other) != None  # noqa: E711
    painter = {"override_settings": {"sd_model_checkpoint": "painter"}}
    assert tag_of(house, painter) not in (None, tag_of(house, {}))


@pytest.mark.parametrize(
    "body",
    [
        {"deterministic": True},
        {"alwayson_scripts": {"deterministic": True}},
        {"tiling": True},
        {"prompt": "a house <lora:brick:1>"},
        {"prompt": "a house <hypernet:brick:1>"},
        {"script_name": "prompt matrix", "script_args": [False, False, "positive", "comma", 0]},
        {"override_settings": {"sd_lora": "brick"}},
        {"override_settings": {"token_merging_ratio": 0.4}},
    ],
)
def test_what_patches_a_network_is_drawn_alone(house: Any, body: dict[str, Any]) -> None:
    assert tag_of(house, body) is None


def test_deterministic_reaches_the_worker_and_is_echoed_where_it_was_sent(house: Any) -> None:
    echoed = house.txt2img({**SMALL, "deterministic": "true"}).get_json()["parameters"]
    assert echoed["deterministic"] is True
    assert house.jobs[-1].request.deterministic
    assert "deterministic" not in house.txt2img(SMALL).get_json()["parameters"]
    assert not house.jobs[-1].request.deterministic


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"deterministic": "perhaps"}, "deterministic"),
        ({"alwayson_scripts": {"deterministic": 1}}, "true or false"),
        ({"alwayson_scripts": {"deterministic": {"args": []}}}, "true or false"),
    ],
)
def test_odd_values_are_refused(house: Any, body: dict[str, Any], words: str) -> None:
    answer = house.txt2img({**SMALL, **body})
    assert answer.status_code == 422
    assert words in answer.get_data(as_text=True)
