"""Face restorers of one device: the network asked for last and its helpers stay in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generator.errors import ModelUnreadable
from generator.faces import parsenet, retinaface, yunet
from generator.faces.alignment import align, is_large_enough, put_back
from generator.faces.face import FindFaces, Pixels
from generator.faces.restorer_files import CODEFORMER, RestorerFiles, find_restorer, is_yunet
from generator.models.index import ModelFile
from generator.models.layers import Weights, explain_misfit, to_weights
from generator.models.registry import Registry
from generator.models.weights import read_tensors
from generator.pictures.spandrel_networks import load_spandrel_network

if TYPE_CHECKING:
    from spandrel import ArchRegistry, ImageModelDescriptor

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
    """Mends faces of pictures. ``codeformer`` tells whether that restorer may be used."""

    def __init__(
        self, registry: Registry, device: torch.device, *, codeformer: bool = False
    ) -> None:
        self._registry = registry
        self._device = device
        self._codeformer = codeformer
        self._loaded: dict[str, tuple[object, Any]] = {}  # by use: the file's identity, the network

    def find(self, name: str) -> RestorerFiles:
        """The files of the restorer ``name``. Raises :class:`ModelNotFound` with what lacks."""
        return find_restorer(self._registry, name, codeformer=self._codeformer)

    def clear(self) -> None:
        """Let go of the networks in memory."""
        self._loaded.clear()

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
        network = self._network(files)
        pixels = torch.from_numpy(face.copy()).permute(2, 0, 1)[None].to(self._device)
        settings = {"weight": fidelity} if files.name == CODEFORMER else FIXED_NOISE
        with explain_misfit(files.weights.path.name), torch.no_grad():
            drawn = network.model(pixels.float() / 127.5 - 1, **settings)[0]
        drawn = drawn.float().nan_to_num().clamp(-1, 1)
        mended = ((drawn[0].permute(1, 2, 0) + 1) * 127.5).round().byte().cpu().numpy()
        return mended, drawn

    def _network(self, files: RestorerFiles) -> "ImageModelDescriptor":
        layouts = extra_layouts() if files.name == CODEFORMER else None
        load = partial(load_spandrel_network, files.weights, self._device, NO_WEIGHTS, layouts)
        network: ImageModelDescriptor = self._keep("restorer", files.weights, load)
        if network.purpose != "FaceSR":
            raise ModelUnreadable(
                f"{files.weights.path.name} enlarges pictures and restores no faces: move it to "
                "models/ESRGAN."
            )
        return network

    def _detector(self, file: ModelFile) -> FindFaces:
        if is_yunet(file):
            return partial(yunet.find_faces, file.path)
        weights = self._weights("detector", file, retinaface.NEEDED)

        def find(picture: Pixels) -> list[Any]:
            with explain_misfit(file.path.name):
                return retinaface.find_faces(weights, picture)

        return find

    def _face_pixels(self, file: ModelFile | None, face: Tensor) -> Any:
        if file is None:
            return None
        weights = self._weights("parser", file, parsenet.NEEDED)
        with explain_misfit(file.path.name):
            return parsenet.find_face_pixels(weights, face)

    def _weights(self, use: str, file: ModelFile, needed: str) -> Weights:
        def load() -> Weights:
            tensors = read_tensors(file.path, file.kept_in)
            return to_weights(tensors, self._device, needed, file.path.name)

        weights: Weights = self._keep(use, file, load)
        return weights

    def _keep(self, use: str, file: ModelFile, load: Callable[[], Any]) -> Any:
        """The network of one use, loaded where it is of another file than the one before."""
        if use not in self._loaded or self._loaded[use][0] != file.identity:
            self._loaded.pop(use, None)  # before the next one is loaded, for the memory's sake
            self._loaded[use] = (file.identity, load())
        return self._loaded[use][1]


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
