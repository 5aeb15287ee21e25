"""Face restorers of one device, they and their helpers kept as memory allows."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generator.errors import ModelUnreadable
from generator.faces import parsenet, retinaface, yunet
from generator.faces.alignment import align, is_large_enough, put_back
from generator.faces.face import FindFaces, Pixels
from generator.faces.restorer_files import (
    CODEFORMER,
    RestorerFiles,
    choose_restorer,
    find_restorer,
    is_yunet,
)
from generator.models.index import ModelFile
from generator.models.layers import Weights, explain_misfit, to_weights
from generator.models.registry import Registry
from generator.models.residency import Residency, ResidentKind, ram_headroom_of
from generator.models.resident_loading import load_resident
from generator.models.weights import check_finite, read_tensors
from generator.pictures.spandrel_networks import SpandrelNetwork, load_spandrel_network

if TYPE_CHECKING:
    from spandrel import ArchRegistry

RESTORER: Final = ResidentKind.FACE_RESTORER
DETECTOR: Final = ResidentKind.FACE_DETECTOR
PARSER: Final = ResidentKind.FACE_PARSER
NETWORKS = (RESTORER, DETECTOR, PARSER)
MOST_FACES = 32  # of one picture
NO_WEIGHTS = "no face restorer that is known here: GFPGAN, RestoreFormer and CodeFormer are"
FIXED_NOISE = {"randomize_noise": False}  # GFPGAN's: a picture comes out alike each time


@dataclass(frozen=True, slots=True)
class RestoredPicture:
    """A picture with its faces mended."""

    image: Image.Image
    found: int  # faces
    mended: int  # of them


class FaceRestorers:
    """Mends faces of pictures. ``codeformer`` tells whether that restorer may be used.

    Not for several threads.
    """

    def __init__(
        self,
        registry: Registry,
        device: torch.device,
        residency: Residency | None = None,
        *,
        codeformer: bool = False,
    ) -> None:
        self._registry = registry
        self._device = device
        self._codeformer = codeformer
        self._residency = residency or Residency(ram_headroom_of())

    def for_user(self, registry: Registry) -> "FaceRestorers":
        """The same with one user's models; networks in memory are shared."""
        mine = copy(self)
        mine._registry = registry
        return mine

    def find(self, name: str) -> RestorerFiles:
        """The files of the restorer ``name``. Raises :class:`ModelNotFound` with what lacks."""
        return find_restorer(self._registry, name, codeformer=self._codeformer)

    def choose(self, name: str) -> tuple[RestorerFiles | None, str]:
        """The restorer ``name``, or another in its place; see :func:`choose_restorer`."""
        return choose_restorer(self._registry, name, codeformer=self._codeformer)

    def clear(self) -> None:
        """Let go of the networks in memory."""
        for kind in NETWORKS:
            self._residency.keep_newest(kind, 0)

    def restore(
        self,
        image: Image.Image,
        files: RestorerFiles,
        fidelity: float = 0.5,
        go_on: Callable[[], bool] = lambda: True,
    ) -> RestoredPicture:
        """``image`` with its faces mended, in its own mode where that is RGBA, else in RGB.

        ``fidelity`` is CodeFormer's weight: 0 mends most, 1 keeps most. ``go_on`` is asked before
        each face, which takes seconds on a CPU. Raises :class:`ModelUnreadable` for a file that is
        none of its kind.
        """
        try:
            return self._restore(image, files, fidelity, go_on)
        finally:
            self._residency.release(*NETWORKS)  # what draws may take their place

    def _restore(
        self, image: Image.Image, files: RestorerFiles, fidelity: float, go_on: Callable[[], bool]
    ) -> RestoredPicture:
        picture = np.asarray(image.convert("RGB"))
        faces = [face for face in self._detector(files.detector)(picture) if is_large_enough(face)]
        mended = 0
        for face in faces[:MOST_FACES]:
            if not go_on():
                break
            aligned = align(picture, face)
            if aligned is None:
                continue
            restored, seen = self._mend(files, aligned.pixels, fidelity)
            picture = put_back(picture, aligned, restored, self._face_pixels(files.parser, seen))
            mended += 1
        drawn = Image.fromarray(picture)
        if image.mode == "RGBA":
            drawn.putalpha(image.getchannel("A"))
        return RestoredPicture(drawn, len(faces), mended)

    def _mend(self, files: RestorerFiles, face: Pixels, fidelity: float) -> tuple[Pixels, Tensor]:
        """An aligned face mended: as pixels, and (1,3,512,512) in -1..1."""
        network = self._load_restorer(files)
        pixels = torch.from_numpy(face.copy()).permute(2, 0, 1)[None].to(self._device)
        settings = {"weight": fidelity} if files.name == CODEFORMER else FIXED_NOISE
        with explain_misfit(files.weights.path.name), torch.no_grad():
            drawn = network.module(pixels.float() / 127.5 - 1, **settings)[0]
        drawn = drawn.float().nan_to_num().clamp(-1, 1)
        mended = ((drawn[0].permute(1, 2, 0) + 1) * 127.5).round().byte().cpu().numpy()
        return mended, drawn

    def _load_restorer(self, files: RestorerFiles) -> SpandrelNetwork:
        return load_resident(
            self._residency, RESTORER, files.weights, partial(_read_restorer, files, self._device)
        )

    def _detector(self, file: ModelFile) -> FindFaces:
        if is_yunet(file):
            return partial(yunet.find_faces, file.path)
        weights = self._load_weights(DETECTOR, file, retinaface.NEEDED)

        def find(picture: Pixels) -> list[Any]:
            with explain_misfit(file.path.name):
                return retinaface.find_faces(weights, picture)

        return find

    def _face_pixels(self, file: ModelFile | None, face: Tensor) -> Any:
        if file is None:
            return None
        weights = self._load_weights(PARSER, file, parsenet.NEEDED)
        with explain_misfit(file.path.name):
            return parsenet.find_face_pixels(weights, face)

    def _load_weights(self, kind: ResidentKind, file: ModelFile, needed: str) -> Weights:
        def load() -> Weights:
            tensors = read_tensors(file.path, file.kept_in)
            check_finite(file.path.name, tensors)
            return to_weights(tensors, self._device, needed, file.path.name)

        return load_resident(self._residency, kind, file, load)


def _read_restorer(files: RestorerFiles, device: torch.device) -> SpandrelNetwork:
    layouts = extra_layouts() if files.name == CODEFORMER else None
    network = load_spandrel_network(files.weights, device, NO_WEIGHTS, layouts)
    if network.descriptor.purpose != "FaceSR":
        raise ModelUnreadable(
            f"{files.weights.path.name} enlarges pictures and restores no faces: move it to "
            "models/ESRGAN."
        )
    return network


def extra_layouts() -> "ArchRegistry":
    """The layouts of spandrel-extra-arches, whose licences are narrower than spandrel's.

    Raises :class:`ModelUnreadable` where it is not installed.
    """
    try:
        from spandrel_extra_arches import EXTRA_REGISTRY
    except ImportError as error:
        raise ModelUnreadable(
            "CodeFormer's network is not installed here: pip install spandrel-extra-arches"
        ) from error
    layouts: ArchRegistry = EXTRA_REGISTRY
    return layouts
