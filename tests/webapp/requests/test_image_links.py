"""Pictures by address at the doors: the vendor's ``image_link``, and addresses in any field."""

import base64
from typing import Any

import pytest

from tests.webapp.http.fetch_listener import answer, listen
from tests.webapp.requests.request_pictures import PICTURE
from webapp.settings.config import UnknownFlag, parse

LOOPBACK = ("127.0.0.1/32",)
CONTENT = base64.b64decode(PICTURE)


def draw(house: Any, route: str = "img2img", **fields: Any) -> Any:
    body = {"width": 64, "height": 64, "steps": 1, **fields}
    return house.client().post(f"/sdapi/v1/{route}", json=body)


def test_the_vendors_image_link_is_the_first_picture(build: Any) -> None:
    house = build(allow_fetch_from=LOOPBACK)
    with listen(answer(CONTENT)) as server:
        link = f"http://127.0.0.1:{server.port}/boy.png"
        assert draw(house, alwayson_scripts={"image_link": link}).status_code == 200
    assert house.jobs[0].request.origin.images == (PICTURE,)


def test_any_picture_may_be_an_address(build: Any) -> None:
    house = build(allow_fetch_from=LOOPBACK)
    with listen(answer(CONTENT)) as server:
        link = f"http://127.0.0.1:{server.port}/a.png"
        unit = {"enabled": True, "module": "reference_only", "image_link": link}
        draw(
            house, init_images=[link], mask=link, alwayson_scripts={"controlnet": {"args": [unit]}}
        )
        told = house.client().post("/sdapi/v1/png-info", json={"image": link})
        assert told.status_code == 200
    assert len(server.visits) == 4
    assert house.jobs[0].request.origin.mask.image == PICTURE


@pytest.mark.parametrize("changes", [{}, {"image_links": False, "allow_fetch_from": LOOPBACK}])
def test_nothing_is_fetched_unless_the_flags_say_so(build: Any, changes: dict[str, Any]) -> None:
    house = build(**changes)
    with listen(answer(CONTENT)) as server:
        link = f"http://127.0.0.1:{server.port}/a.png"
        for fields in (
            {"init_images": [link]},
            {"init_images": [PICTURE], "mask": link},
            {"alwayson_scripts": {"image_link": link}},
            {
                "init_images": [PICTURE],
                "alwayson_scripts": {"controlnet": {"args": [{"enabled": True, "image": link}]}},
            },
        ):
            refused = draw(house, **fields)
            assert refused.status_code == 422
            assert "public" in refused.text or "--no-image-links" in refused.text
    assert server.visits == []
    assert house.jobs == []


def test_what_is_no_picture_is_refused_with_its_field(build: Any) -> None:
    house = build(allow_fetch_from=LOOPBACK)
    with listen(answer(b"rubbish")) as server:
        refused = draw(house, init_images=[f"http://127.0.0.1:{server.port}/"])
    assert refused.status_code == 422
    assert refused.get_json()["detail"].startswith("init_images: Invalid encoded image")


def test_networks_are_checked_at_the_start() -> None:
    assert parse(["--allow-fetch-from", "10.0.0.0/8"], {}).allow_fetch_from == ("10.0.0.0/8",)
    with pytest.raises(UnknownFlag, match="--allow-fetch-from"):
        parse(["--allow-fetch-from", "everywhere"], {})
