"""Names of face restorers, and which files each needs. No torch: the web process asks too."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType

from generator.errors import ModelNotFound
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.registry import Registry

GFPGAN, RESTOREFORMER, CODEFORMER = "GFPGAN", "RestoreFormer", "CodeFormer"
RESTORERS = (CODEFORMER, GFPGAN, RESTOREFORMER)
"""What may be asked for: AUTOMATIC1111's two, in its order, and a further one of spandrel's."""

TORCH_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
EXTRA_PACKAGE = "spandrel_extra_arches"  # its CodeFormer may not be used commercially
_RETINAFACE = re.compile(r"^(detection_resnet50|retinaface_resnet50)", re.IGNORECASE)
_PARSENET = re.compile(r"^parsing_parsenet", re.IGNORECASE)
_HELPERS = re.compile(r"^(detection|parsing|alignment|headpose|retinaface|.*yunet)", re.IGNORECASE)

PUBLISHED: Mapping[str, str] = MappingProxyType(
    {
        CODEFORMER: "codeformer-v0.1.0.pth into models/Codeformer",
        GFPGAN: "GFPGANv1.4.pth into models/GFPGAN",
        RESTOREFORMER: "RestoreFormer.pth into models/GFPGAN",
    }
)
"""Files as their makers publish them, and where they go."""

NO_DETECTOR = (
    "no face detector is here: put detection_Resnet50_Final.pth (RetinaFace), as AUTOMATIC1111 "
    "keeps it, into models/GFPGAN or models/face-detection, or OpenCV's face_detection_yunet*.onnx "
    "into the latter"
)


@dataclass(frozen=True, slots=True)
class RestorerFiles:
    """What one restorer works with."""

    name: str  # of RESTORERS; what really mends, which another may stand in for
    weights: ModelFile
    detector: ModelFile  # RetinaFace's weights, or YuNet's .onnx
    parser: ModelFile | None = None  # ParseNet's weights; None: faces are put back by a square


def find_restorer(registry: Registry, name: str, *, codeformer: bool = False) -> RestorerFiles:
    """The files of the restorer ``name``; ``codeformer`` tells whether that one is allowed.

    Under GFPGAN's name a RestoreFormer does, where its folder holds no GFPGAN. Raises
    :class:`ModelNotFound` with what is missing and where it goes.
    """
    name = next((known for known in RESTORERS if known.lower() == name.lower()), name)
    if name not in RESTORERS:
        known = ", ".join(RESTORERS)
        raise ModelNotFound(f"there is no face restorer {name[:40]!r}; known: {known}")
    weights = _find_weights(registry, name)
    if weights is None:
        broken = _find_broken(registry, name)
        raise ModelNotFound(broken or f"no weights of {name} are here: put {PUBLISHED[name]}")
    if name == CODEFORMER:
        _check_codeformer(allowed=codeformer)
    detector = _find_helper(registry, is_retinaface) or _find_helper(registry, is_yunet)
    if detector is None:
        raise ModelNotFound(NO_DETECTOR)
    parser = _find_helper(registry, lambda file: bool(_PARSENET.match(file.stem)))
    stands_in = name == GFPGAN and RESTOREFORMER.lower() in weights.stem.lower()
    return RestorerFiles(RESTOREFORMER if stands_in else name, weights, detector, parser)


def find_any_restorer(registry: Registry, *, codeformer: bool = False) -> RestorerFiles | None:
    """The first restorer that is whole, GFPGAN before others."""
    for name in (GFPGAN, RESTOREFORMER, CODEFORMER):
        try:
            return find_restorer(registry, name, codeformer=codeformer)
        except ModelNotFound:
            continue
    return None


def choose_restorer(
    registry: Registry, name: str, *, codeformer: bool = False
) -> tuple[RestorerFiles | None, str]:
    """The restorer ``name``, or another that is here in its place; and in words what is otherwise
    than asked for, "" for nothing.
    """
    try:
        return find_restorer(registry, name, codeformer=codeformer), ""
    except ModelNotFound as error:
        reason = str(error).rstrip(".")
    other = find_any_restorer(registry, codeformer=codeformer)
    if other is None:
        return None, f"faces are as drawn, for {reason}."
    return other, f"{other.name} restored them, for {reason}."


def known_restorers(registry: Registry, *, codeformer: bool = False) -> tuple[str, ...]:
    """Those whose weights are here, in AUTOMATIC1111's order."""
    return tuple(
        name
        for name in RESTORERS
        if _find_weights(registry, name) is not None and (codeformer or name != CODEFORMER)
    )


def _find_broken(registry: Registry, name: str) -> str:
    """Why a file of a restorer's name that is there cannot be used; "" where there is none."""
    for path, reason in registry.index.rejected.items():
        in_folder = any(path.is_relative_to(root) for root in registry.folders.of(_kind_of(name)))
        if in_folder and name.lower() in path.stem.lower():
            return f"{name} is there but cannot be used: {reason}"
    return ""


def _kind_of(name: str) -> ModelKind:
    return ModelKind.CODEFORMER if name == CODEFORMER else ModelKind.GFPGAN


def _find_weights(registry: Registry, name: str) -> ModelFile | None:
    files = [
        file
        for file in registry.index.files_of(_kind_of(name))
        if file.path.suffix in TORCH_SUFFIXES and not _HELPERS.match(file.stem)
    ]
    named = [file for file in files if name.lower() in file.stem.lower()]
    if name == RESTOREFORMER:
        return named[-1] if named else None
    chosen = named or files
    return chosen[-1] if chosen else None  # the highest version: v1.4 after v1.3


def _check_codeformer(*, allowed: bool) -> None:
    if not allowed:
        raise ModelNotFound(
            "CodeFormer's licence (S-Lab 1.0) allows no commercial use: the server must be started "
            "with --codeformer"
        )
    if find_spec(EXTRA_PACKAGE) is None:
        raise ModelNotFound(
            "CodeFormer's network is not installed here: pip install spandrel-extra-arches"
        )


def _find_helper(registry: Registry, fits: Callable[[ModelFile], bool]) -> ModelFile | None:
    """A detector or parser; AUTOMATIC1111 keeps them beside GFPGAN."""
    kinds = (ModelKind.FACE_DETECTION, ModelKind.GFPGAN)
    files = (file for kind in kinds for file in registry.index.files_of(kind))
    return next(filter(fits, files), None)


def is_retinaface(file: ModelFile) -> bool:
    """Whether ``file`` is RetinaFace with ResNet-50, as facexlib publishes it."""
    return file.path.suffix in TORCH_SUFFIXES and bool(_RETINAFACE.match(file.stem))


def is_yunet(file: ModelFile) -> bool:
    """Whether ``file`` is OpenCV's detector."""
    return file.path.suffix == ".onnx" and "yunet" in file.stem.lower()
