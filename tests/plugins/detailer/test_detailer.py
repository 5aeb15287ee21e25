"""The detailer finds, and paints again only there."""

from pathlib import Path

import pytest
from PIL import Image

from generator.errors import BadRequest
from generator.job.output_filter import NestedRedraw
from generator.request import BY_OPTIONS, GenerationRequest, Seeds
from plugins.api import Box, Home
from plugins.detailer.faces import find_faces
from plugins.detailer.worker import Plugin, inpaint_request, options_of

PICTURES = Path(__file__).parent / "pictures"
"""``astronaut``: NASA, public domain; ``coffee``: R. Michetti, CC0; ``chelsea``: S. Walt, CC0."""


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.open(PICTURES / "astronaut.jpg").convert("RGB")


def test_a_face_is_found_where_it_is(astronaut: Image.Image, tmp_path: Path) -> None:
    (first,) = find_faces(astronaut, tmp_path)
    assert abs(first.x + first.width / 2 - 225) < 40
    assert abs(first.y + first.height / 2 - 115) < 40


def test_no_face_is_found_where_there_is_none(tmp_path: Path) -> None:
    for name in ("coffee.jpg", "chelsea.jpg"):  # a cup, a cat
        assert find_faces(Image.open(PICTURES / name), tmp_path) == []
    assert find_faces(Image.new("RGB", (64, 64)), tmp_path) == []


def test_an_opencv_without_cascades_is_told_with_what_to_do(
    astronaut: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("cv2.CascadeClassifier")
    with pytest.raises(RuntimeError, match="opencv-contrib-python-headless again"):
        find_faces(astronaut, tmp_path)


def test_nothing_is_done_unasked(tmp_path: Path) -> None:
    plugin = Plugin(Home("detailer", tmp_path, tmp_path, dict))
    request = GenerationRequest("a man", Seeds(1))
    assert plugin.before_generate(request) is None
    assert plugin.after_decode(Image.new("RGB", (64, 64)), 0, request, lambda r: 1 / 0) is None


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], "Detailer: no plugin that is on finds 'hand'."),
        ([("other", [])], "Detailer: no 'hand' was found in picture 3."),
        (
            [("other", [Box(0, 0, 9, 9, "hand", 0.2), Box(9, 9, 9, 9, "hand", 0.1)])],
            "Detailer: 2 x 'hand' in picture 3, none with a certainty of 0.3 or more.",
        ),
    ],
)
def test_where_nothing_is_painted_again_it_says_why(
    tmp_path: Path, found: list[tuple[str, list[Box]]], told: str
) -> None:
    plugin = Plugin(Home("detailer", tmp_path, tmp_path, dict, lambda hook, **facts: found))
    panel = {"enabled": True, "label": "hand"}
    request = GenerationRequest("a man", Seeds(1), panels={"detailer": panel})
    image, draw = Image.new("RGB", (64, 64)), NestedRedraw(lambda request: 1 / 0)
    assert plugin.after_decode(image, 2, request, draw) is image
    assert list(draw.remarks) == [told]


def test_fields_that_misfit_are_named() -> None:
    request = GenerationRequest("a man", Seeds(1), panels={"detailer": {"strength": 2}})
    with pytest.raises(BadRequest, match="strength"):
        options_of(request)


@pytest.mark.parametrize(
    ("wanted", "of_request", "taken"),
    [(False, "GFPGAN", ""), (True, "GFPGAN", "GFPGAN"), (True, "", BY_OPTIONS)],
)
def test_faces_are_restored_in_what_is_painted_again(
    tmp_path: Path, wanted: bool, of_request: str, taken: str
) -> None:
    panel = {"enabled": True, "restore_faces": wanted}
    request = GenerationRequest(
        "a man", Seeds(1), panels={"detailer": panel}, face_restorer=of_request
    )
    image, box = Image.new("RGB", (64, 64)), Box(8, 8, 16, 16)
    assert inpaint_request(request, image, box, options_of(request), 0).face_restorer == taken
    changed = Plugin(Home("detailer", tmp_path, tmp_path, dict)).before_generate(request)
    assert changed is not None
    assert ("Detailer face restoration" in changed.notes) is wanted


def test_one_find_becomes_one_inpainting(astronaut: Image.Image) -> None:
    wish = options_of(GenerationRequest("x", Seeds(1), panels={"detailer": {"prompt": "a face"}}))
    request = GenerationRequest("a man", Seeds(1), batches=3, panels={"detailer": {}})
    job = inpaint_request(request, astronaut, Box(10, 20, 30, 40), wish, number=2)
    assert (job.prompt, job.seeds.seed, job.picture_count) == ("a face", 3, 1)
    assert (job.width, job.height) == astronaut.size
    assert job.origin is not None
    assert job.origin.mask is not None
    assert job.origin.mask.only_masked
