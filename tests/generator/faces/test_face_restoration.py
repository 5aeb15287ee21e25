"""Faces found, cut out, mended and put back: by tiny networks whose answer is known."""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from generator.errors import ModelNotFound, ModelUnreadable
from generator.faces import restorer_files
from generator.faces.alignment import TEMPLATE, align, put_back
from generator.faces.face import Face
from generator.faces.face_restorers import FaceRestorers
from generator.faces.job_faces import JobFaces
from generator.faces.restorer_files import CODEFORMER, GFPGAN, RESTOREFORMER, known_restorers
from generator.faces.retinaface import drop_overlaps, find_faces
from generator.models.registry import Folders, Registry
from tests.generator.faces.tiny_networks import (
    COLOUR,
    FACE_SIDE,
    PARSER,
    detector,
    dotted,
    parser,
    write_networks,
)


def restorers(data_dir: Path, *, codeformer: bool = False) -> FaceRestorers:
    registry = Registry(Folders.under(data_dir))
    return FaceRestorers(registry, torch.device("cpu"), codeformer=codeformer)


def distance(image: Image.Image, colour: tuple[int, ...]) -> np.ndarray:
    """How far each pixel is from a colour, (H,W)."""
    return np.abs(np.asarray(image.convert("RGB"), int) - colour).max(axis=2)


@pytest.mark.parametrize("side", [640, 1280, 320])
def test_points_of_faces_are_those_of_the_picture(side: int) -> None:
    picture = cv2.resize(dotted((20, 30), (60, 50)), (side, side), interpolation=cv2.INTER_NEAREST)
    found = find_faces(detector(), picture)
    assert len(found) == 2
    middles = {tuple(np.rint((face.points - wanted_points(side)).mean(0))) for face in found}
    wanted = {tuple(np.rint(np.array(dot) * side / 640)) for dot in ((164, 244), (484, 404))}
    assert middles == wanted


def wanted_points(side: int) -> np.ndarray:
    """A face's points around the middle of its cell."""
    return (TEMPLATE - 256) * FACE_SIDE / 512 * side / 640


def test_of_two_that_overlap_the_surer_is_kept() -> None:
    boxes = np.array([(0, 0, 10, 10), (2, 0, 12, 10), (6, 0, 16, 10), (50, 50, 60, 60)], np.float32)
    assert drop_overlaps(boxes, np.array([1, 0, 3, 2])) == [1, 3]  # 2 and 1 share 6 of 14 columns
    assert drop_overlaps(boxes, np.array([0, 2])) == [0, 2]


@pytest.mark.parametrize(("turn", "size", "place"), [(0, 1.0, (300, 280)), (35, 0.4, (200, 400))])
def test_a_face_that_is_put_back_unchanged_changes_nothing(
    turn: float, size: float, place: tuple[int, int]
) -> None:
    rows, columns = np.mgrid[0:600, 0:640]
    waves = 128 + 100 * np.sin(rows / 40) * np.cos(columns / 50)
    picture = np.stack([waves, waves[::-1], 255 - waves], -1).astype(np.uint8)
    matrix = cv2.getRotationMatrix2D((256, 256), turn, size)
    matrix[:, 2] += np.array(place) - 256
    points = cv2.transform(TEMPLATE[None], matrix)[0]
    aligned = align(picture, Face(points, 1.0))
    assert aligned is not None
    for mask in (None, np.ones((512, 512), np.float32)):
        again = put_back(picture, aligned, aligned.pixels, mask)
        assert np.abs(again.astype(int) - picture).max() <= 6  # of two interpolations
    gone = put_back(picture, aligned, np.zeros_like(aligned.pixels), np.zeros((512, 512)))
    assert np.abs(gone.astype(int) - picture).max() <= 1


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("data")
    write_networks(data_dir / "models")
    return data_dir


def test_the_face_alone_is_mended(data_dir: Path) -> None:
    mender = restorers(data_dir)
    image = Image.fromarray(dotted((30, 40)))
    image.putalpha(77)
    done = mender.restore(image, mender.find(GFPGAN))
    assert (done.found, done.mended, done.image.mode) == (1, 1, "RGBA")
    assert done.image.getchannel("A").getextrema() == (77, 77)
    inside, half = distance(done.image, COLOUR), FACE_SIDE // 4
    assert inside[324 - half : 324 + half, 244 - half : 244 + half].max() <= 2
    outside = np.ones((640, 640), bool)
    outside[324 - 66 : 324 + 66, 244 - 66 : 244 + 66] = False
    before = np.asarray(image.convert("RGB"))
    assert (np.asarray(done.image.convert("RGB"))[outside] == before[outside]).all()


@pytest.mark.parametrize(("kind", "changed"), [(1, True), (17, False)])
def test_only_pixels_of_the_face_are_put_back(data_dir: Path, kind: int, changed: bool) -> None:
    folder = data_dir / "models/facedetection"
    folder.mkdir(exist_ok=True)
    path = folder / f"{PARSER}.safetensors"
    save_file(parser(kind), path)
    try:
        mender = restorers(data_dir)
        image = Image.fromarray(dotted((30, 40)))
        drawn = mender.restore(image, mender.find(GFPGAN)).image
    finally:
        path.unlink()
    assert bool(distance(drawn, COLOUR)[324, 250] <= 2) is changed
    assert (drawn.tobytes() != image.tobytes()) is changed


def test_a_picture_without_a_face_stays_and_that_is_told(data_dir: Path) -> None:
    faces = JobFaces(restorers(data_dir), GFPGAN)
    image = Image.new("RGB", (64, 64))
    assert faces.restore(image, 2) is image
    assert faces.name == RESTOREFORMER  # which stands in, in GFPGAN's folder
    assert list(faces.remarks) == ["restore_faces: no face was found in picture 3."]


def test_a_stop_is_heard_before_each_face_and_what_is_left_is_told(data_dir: Path) -> None:
    faces = JobFaces(restorers(data_dir), RESTOREFORMER)
    image = Image.fromarray(dotted((20, 30), (60, 50)))
    answers = iter([True, False])
    drawn = faces.restore(image, 0, lambda: next(answers))
    painted = distance(drawn, COLOUR) <= 2
    assert sorted([painted[244, 164], painted[404, 484]]) == [False, True]
    assert "1 of 2 faces in picture 1 were restored" in " ".join(faces.remarks)
    assert faces.restore(image, 0, lambda: False) is image


def test_what_is_missing_is_told_once(tmp_path: Path) -> None:
    faces = JobFaces(restorers(tmp_path), CODEFORMER, "codeformer_visibility")
    image = Image.new("RGB", (64, 64))
    assert faces.restore(image, 0) is faces.restore(image, 1) is image
    assert faces.name is None
    (told,) = faces.remarks
    assert told.startswith("codeformer_visibility: faces are as drawn, for no weights of Code")
    assert "models/Codeformer" in told


def test_files_of_another_kind_are_named(data_dir: Path, tmp_path: Path) -> None:
    write_networks(tmp_path / "models", names=("GFPGAN/GFPGANv1.4",))
    mender = restorers(tmp_path)
    files = mender.find(GFPGAN)
    image = Image.fromarray(dotted((30, 40)))
    swapped = [
        replace(files, weights=files.detector),
        replace(files, detector=files.weights),
        replace(files, parser=files.weights),
    ]
    for wrong in swapped:
        with pytest.raises(ModelUnreadable, match=r"GFPGANv1\.4|detection_Resnet50_Final"):
            mender.restore(image, wrong)
    cut = detector()
    del cut["ssh1.conv3X3.0.weight"]
    save_file(cut, files.detector.path)
    with pytest.raises(ModelUnreadable, match="detection_Resnet50_Final"):
        restorers(tmp_path).restore(image, files)


def test_a_pickle_of_the_detector_is_read_like_the_published_one(tmp_path: Path) -> None:
    write_networks(tmp_path / "models")
    path = tmp_path / "models/GFPGAN/detection_Resnet50_Final.safetensors"
    path.unlink()
    tensors = {f"module.{name}": tensor for name, tensor in detector().items()}
    tensors["module.body.bn1.num_batches_tracked"] = torch.tensor(3)
    torch.save(tensors, path.with_suffix(".pth"))
    os.utime(path.with_suffix(".pth"), (0, 0))  # long still: a file just written might go on
    mender = restorers(tmp_path)
    assert mender.restore(Image.fromarray(dotted((30, 40))), mender.find(GFPGAN)).mended == 1


def test_yunet_that_opencv_cannot_run_is_named(data_dir: Path, tmp_path: Path) -> None:
    write_networks(tmp_path / "models")
    (tmp_path / "models/GFPGAN/detection_Resnet50_Final.safetensors").unlink()
    (tmp_path / "models/face-detection").mkdir()
    (tmp_path / "models/face-detection/face_detection_yunet.onnx").write_bytes(b"\x08\x07nothing")
    mender = restorers(tmp_path)
    with pytest.raises(ModelUnreadable, match=r"yunet\.onnx cannot be run by OpenCV"):
        mender.restore(Image.new("RGB", (64, 64)), mender.find(GFPGAN))


def test_which_files_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("GFPGAN/GFPGANv1.3", "GFPGAN/GFPGANv1.4", "GFPGAN/RestoreFormer", "Codeformer/c")
    for name in names:
        path = tmp_path / f"models/{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"w": torch.zeros(1)}, path)
    with pytest.raises(ModelNotFound, match="no face detector is here: put detection_Resnet50"):
        restorers(tmp_path).find(GFPGAN)
    path = tmp_path / "models/GFPGAN/detection_Resnet50_Final.safetensors"
    save_file({"w": torch.zeros(1)}, path)
    mender = restorers(tmp_path, codeformer=True)
    assert mender.find("gfpgan").weights.stem == "GFPGANv1.4"
    assert mender.find(RESTOREFORMER).weights.stem == "RestoreFormer"
    with pytest.raises(ModelNotFound, match="--codeformer"):
        restorers(tmp_path).find(CODEFORMER)
    with pytest.raises(ModelNotFound, match="no face restorer 'x'; known: CodeFormer, GFPGAN"):
        mender.find("x")
    monkeypatch.setattr(restorer_files, "find_spec", lambda name: None)
    with pytest.raises(ModelNotFound, match="pip install spandrel-extra-arches"):
        mender.find(CODEFORMER)
    monkeypatch.setattr(restorer_files, "find_spec", lambda name: object())
    assert mender.find(CODEFORMER).name == CODEFORMER
    registry = Registry(Folders.under(tmp_path))
    assert known_restorers(registry) == (GFPGAN, RESTOREFORMER)
    assert known_restorers(registry, codeformer=True) == (CODEFORMER, GFPGAN, RESTOREFORMER)


EXTRA_ARCHES = """
from spandrel import ArchRegistry, ArchSupport
from spandrel.architectures.RestoreFormer import RestoreFormerArch
EXTRA_REGISTRY = ArchRegistry()
EXTRA_REGISTRY.add(ArchSupport.from_architecture(RestoreFormerArch()))
"""


def test_codeformer_comes_from_the_package_that_is_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_networks(tmp_path / "models", names=("Codeformer/codeformer-v0.1.0",))
    package = tmp_path / "site/spandrel_extra_arches.py"
    package.parent.mkdir()
    package.write_text(EXTRA_ARCHES)
    monkeypatch.syspath_prepend(package.parent)
    mender = restorers(tmp_path, codeformer=True)
    done = mender.restore(Image.fromarray(dotted((30, 40))), mender.find(CODEFORMER))
    assert distance(done.image, COLOUR)[324, 250] <= 2
