"""Networks for faces and upscalers stand in the book of weights, and leave as others do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from generator.faces.face_restorers import NETWORKS, FaceRestorers
from generator.faces.restorer_files import RESTOREFORMER
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.registry import Folders, Registry
from generator.models.residency import Residency, ResidentKind
from generator.pictures.upscalers import Upscalers
from tests.generator.counting_card import Card
from tests.generator.faces.tiny_networks import PARSER, detector, dotted, parser, write_networks
from tests.generator.pictures.tiny_esrgan import network

ROOMY = 1 << 30
OTHER = ModelFile(ModelKind.CHECKPOINT, "c", Path("/none/c"), 1, 1, 1)
UPSCALER = ResidentKind.UPSCALER


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    data_dir = tmp_path_factory.mktemp("faces")
    write_networks(data_dir / "models")
    (data_dir / "models/ESRGAN").mkdir()
    save_file(parser(1), data_dir / f"models/GFPGAN/{PARSER}.safetensors")
    save_file(network(), data_dir / "models/ESRGAN/tiny.safetensors")
    return Registry(Folders.under(data_dir))


def mend(restorers: FaceRestorers) -> bytes:
    done = restorers.restore(Image.fromarray(dotted((30, 40))), restorers.find(RESTOREFORMER))
    assert done.mended == 1
    return done.image.tobytes()


def held_by_kind(book: Residency) -> list[int]:
    return [book.bytes_of(kind) for kind in NETWORKS]


def size_of(tensors: dict[str, torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())


def test_networks_of_faces_are_counted_and_dropped_when_others_need_their_ram(
    registry: Registry,
) -> None:
    left = ROOMY
    book = Residency(lambda: left)
    restorers = FaceRestorers(registry, torch.device("cpu"), book)
    before = mend(restorers)
    restorer, *others = held_by_kind(book)
    assert restorer > 0
    assert others == [size_of(detector()), size_of(parser(1))]
    left = 0
    book.make_room(ResidentKind.CHECKPOINT, OTHER, sum(held_by_kind(book)))
    assert held_by_kind(book) == [0, 0, 0]
    assert mend(restorers) == before
    restorers.clear()
    assert book.bytes_of() == 0


def test_networks_of_faces_move_off_a_card_and_back(registry: Registry) -> None:
    card = Card(ROOMY)
    book = Residency(lambda: ROOMY, card)
    restorers = FaceRestorers(registry, torch.device("cpu"), book)
    before = mend(restorers)
    total = sum(held_by_kind(book))
    book.make_room(ResidentKind.CHECKPOINT, OTHER, ROOMY)
    assert (card.sent, card.brought) == (total, 0)
    assert mend(restorers) == before
    assert card.brought == total


def test_upscalers_are_counted_and_dropped_too(registry: Registry) -> None:
    left = ROOMY
    book = Residency(lambda: left)
    upscalers = Upscalers(registry, torch.device("cpu"), residency=book)
    image = Image.new("RGB", (16, 16), (90, 40, 10))
    before = upscalers.enlarge(image, "tiny", 4).tobytes()
    assert book.bytes_of(UPSCALER) == size_of(network())
    left = 0
    book.make_room(ResidentKind.CHECKPOINT, OTHER, 1)
    assert book.bytes_of() == 0
    assert upscalers.enlarge(image, "tiny", 4).tobytes() == before
