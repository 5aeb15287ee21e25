"""Networks that describe pictures stand in the book of weights, and leave as others do."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from generator.interrogation.models import Interrogator
from generator.interrogation.requests import Form, InterrogationRequest
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.residency import Residency, ResidentKind
from generator.pictures.base64_images import write_base64
from tests.generator.counting_card import Card
from tests.generator.interrogation.tiny_interrogators import (
    danbooru_weights,
    make_captioner,
    make_tagger,
    make_wd_tagger,
)

CPU = torch.device("cpu")
ROOMY = 1 << 30
OTHER = ModelFile(ModelKind.CHECKPOINT, "c", Path("/none/c"), 1, 1, 1)
PICTURE = write_base64(Image.new("RGB", (48, 32), "red"))
CAPTIONER, TAGGER, ONNX = (
    ResidentKind.CAPTIONER, ResidentKind.TAGGER, ResidentKind.ONNX_TAGGER,
)  # fmt: skip


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("networks")
    make_captioner(folder / "blip")
    make_tagger(folder / "tagger")
    torch.save({**danbooru_weights(), "tags": list("abcd")}, folder / "resnet_custom.pt")
    make_wd_tagger(folder / "wd")
    return folder


def ask(answers: Interrogator, network: Path, form: Form, *, keep: bool = True) -> str:
    return answers.interrogate(InterrogationRequest(PICTURE, str(network), form, keep=keep))


@pytest.mark.parametrize(
    ("name", "form", "kind"),
    [
        ("blip", "caption", CAPTIONER),
        ("tagger", "tags", TAGGER),
        ("resnet_custom.pt", "tags", TAGGER),
    ],
)
def test_they_are_counted_dropped_when_others_need_their_ram_and_moved_off_a_card(
    networks: Path, name: str, form: Form, kind: ResidentKind
) -> None:
    left = ROOMY
    book = Residency(lambda: left)
    answers = Interrogator(CPU, book)
    before = ask(answers, networks / name, form)
    size = book.bytes_of(kind)
    assert size > 4 * 100
    assert book.bytes_of() == size
    left = 0
    book.make_room(ResidentKind.CHECKPOINT, OTHER, 1)
    assert book.bytes_of() == 0
    assert ask(answers, networks / name, form) == before

    card = Card(ROOMY)
    book = Residency(lambda: ROOMY, card)
    answers = Interrogator(CPU, book)
    assert ask(answers, networks / name, form) == before
    book.make_room(ResidentKind.CHECKPOINT, OTHER, ROOMY)
    assert (card.sent, card.brought) == (size, 0)
    assert ask(answers, networks / name, form) == before
    assert card.brought == size
    assert ask(answers, networks / name, form, keep=False) == before
    assert book.bytes_of() == 0


def test_what_onnxruntime_holds_is_counted_in_ram(networks: Path) -> None:
    pytest.importorskip("onnxruntime")
    card = Card(ROOMY)
    book = Residency(lambda: ROOMY, card)
    answers = Interrogator(CPU, book)
    before = ask(answers, networks / "wd", "tags")
    assert book.bytes_of(ONNX) == (networks / "wd/model.onnx").stat().st_size
    book.make_room(ResidentKind.CHECKPOINT, OTHER, ROOMY)
    assert (card.sent, card.brought) == (0, 0)
    assert ask(answers, networks / "wd", "tags") == before


def test_one_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    folder = make_tagger(tmp_path / "tagger", (3.0, -3.0, -3.0, -3.0))
    book = Residency(lambda: ROOMY)
    answers = Interrogator(CPU, book)
    assert ask(answers, folder, "tags") == "1house"
    size = book.bytes_of()
    make_tagger(tmp_path / "other", (-3.0, -3.0, 3.0, -3.0))
    (tmp_path / "other/model.safetensors").replace(folder / "model.safetensors")
    assert ask(answers, folder, "tags") == "night"
    assert book.bytes_of() == size
