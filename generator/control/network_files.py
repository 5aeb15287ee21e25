"""Finds what preprocessors that are networks need: files of weights, and packages. No torch."""

from importlib.util import find_spec

from generator.control.modules import Module
from generator.control.network_weights import WEIGHTS_BY_MODULE, WeightFile
from generator.control.units import CONTROLNET_FIELD
from generator.errors import BadRequest
from generator.models.index import ModelFile, ModelIndex
from generator.models.kinds import FOLDERS_BY_KIND, ModelKind
from generator.models.registry import Registry

FOLDER = FOLDERS_BY_KIND[ModelKind.ANNOTATOR].created[0]
PACKAGES = ("controlnet_aux", "timm", "skimage")
"""What has to be importable; what else controlnet-aux needs comes with Easel."""
INSTALL = ".venv/bin/python -m pip install --no-deps -r requirements-preprocessors.lock"


def find_network_files(
    module: Module, registry: Registry, field: str = CONTROLNET_FIELD
) -> tuple[ModelFile, ...]:
    """The files of a preprocessor's networks, in the order of ``WEIGHTS_BY_MODULE``.

    None for a preprocessor that is no network. Looks at the disk again before it gives up. Raises
    :class:`BadRequest` naming each file and package that is missing, and where it is to be had.
    """
    weights = WEIGHTS_BY_MODULE.get(module.name, ())
    files = [_find(registry.index, each) for each in weights]
    if None in files:
        index = registry.refresh_still()  # a pickle that came just now counts
        files = [_find(index, each) for each in weights]
    found = tuple(file for file in files if file is not None)
    absent = [each for each, file in zip(weights, files, strict=True) if file is None]
    reasons = [_absent_file(each, registry) for each in absent]
    reasons += _absent_packages() if weights else ()
    if reasons:
        raise BadRequest(
            f"{field}: {module.label} is a network of its own. {' '.join(reasons)} Or send the "
            "finished map with the module none.",
            CONTROLNET_FIELD,
            "model_not_found",
            value=module.label,
        )
    return found


def _find(index: ModelIndex, weights: WeightFile) -> ModelFile | None:
    """A file of one of its names, in any folder; of several, safetensors goes first."""
    named = [
        file
        for file in index.files_of(ModelKind.ANNOTATOR)
        if file.stem.lower() in weights.stems and file.path.suffix != ".onnx"
    ]
    return min(named, key=lambda file: file.path.suffix != ".safetensors", default=None)


def _absent_file(weights: WeightFile, registry: Registry) -> str:
    folders = registry.folders.of(ModelKind.ANNOTATOR)
    for path, reason in registry.index.rejected.items():
        if path.stem.lower() in weights.stems and any(each in path.parents for each in folders):
            return f"Its weights are in {FOLDER} and cannot be used: {reason}."
    return (
        f"Its weights, {weights.name}, are not in {FOLDER}: copy them there from {weights.source} "
        "on Hugging Face."
    )


def _absent_packages() -> tuple[str, ...]:
    absent = [name for name in PACKAGES if find_spec(name) is None]
    if not absent:
        return ()
    return (f"Easel's Python lacks {', '.join(absent)}, which draw its map: run {INSTALL}.",)
