"""The two files of an image prompt, an IP-Adapter and its image encoder, by their headers.

No torch: a request is judged so before it waits.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from generator.control.modules import Module
from generator.control.units import CONTROLNET_FIELD
from generator.errors import BadRequest, ModelNotFound, ModelUnreadable, WrongArchitecture
from generator.models.drawable import explain_missing_tensors
from generator.models.embedding_facts import read_shapes
from generator.models.families.architecture import Shapes
from generator.models.families.ldm import clip_vision, controlnet, ip_adapter
from generator.models.families.ldm.clip_vision import (
    KNOWN_ENCODERS,
    VIT_BIG_G,
    VIT_H,
    EncoderSizes,
)
from generator.models.families.ldm.controlnet import ControlKind
from generator.models.families.ldm.ip_adapter import IPAdapterLayout
from generator.models.index import ModelFile, ModelIndex
from generator.models.kinds import FOLDERS_BY_KIND, ModelKind
from generator.models.registry import Registry

FOLDER = "clip_vision"  # of image encoders, below that of the preprocessors' weights
AUTO = "ip-adapter-auto"
ENCODER_OF_MODULE: Mapping[str, EncoderSizes] = MappingProxyType(
    {
        "ip-adapter_clip_sd15": VIT_H,
        "ip-adapter_clip_sdxl": VIT_BIG_G,
        "ip-adapter_clip_sdxl_plus_vith": VIT_H,
    }
)
"""The image encoder that a module names; the module ``ip-adapter-auto`` takes the file's."""


def check_files(module: Module, file: ModelFile, registry: Registry) -> None:
    """Refuse what :func:`read_layout` and :func:`find_encoder` refuse.

    Of a pickle the header tells nothing: it is judged when it is loaded.
    """
    if file.path.suffix == ".safetensors":
        try:
            shapes = read_shapes(file)
        except OSError as error:
            raise ModelUnreadable(f"{file.name} cannot be read: {error.strerror}") from error
        find_encoder(registry, module, file, read_layout(file, shapes))


def read_layout(file: ModelFile, shapes: Shapes) -> IPAdapterLayout:
    """The sizes of the IP-Adapter in ``file``, by its ``shapes``.

    Raises :class:`WrongArchitecture` for what is no IP-Adapter, or one that reads faces, and
    :class:`ModelUnreadable` for one that lacks tensors.
    """
    kind = controlnet.kind_of(shapes)
    if kind is not ControlKind.IP_ADAPTER:
        raise WrongArchitecture(
            f"{file.name} was asked to steer as an IP-Adapter, but it is {kind.label}. Choose an "
            "IP-Adapter, or another module"
        )
    with explain_missing_tensors(file, "image_proj. and ip_adapter. of an IP-Adapter for a U-Net"):
        return ip_adapter.layout_of(file.name, shapes)


def find_encoder(
    registry: Registry, module: Module, file: ModelFile, layout: IPAdapterLayout
) -> ModelFile:
    """The image encoder that the IP-Adapter in ``file`` was trained with.

    Looks at the disk again before it gives up. Raises :class:`ModelNotFound` naming what is
    needed, and :class:`BadRequest` where ``module`` is for another encoder.
    """
    _check_module(module, file, layout)
    found = _find_in(registry.index, layout) or _find_in(registry.refresh(), layout)
    if found is not None:
        return found
    folder = f"{FOLDERS_BY_KIND[ModelKind.ANNOTATOR].created[0]}/{FOLDER}"
    raise ModelNotFound(
        f"{CONTROLNET_FIELD}: {file.name} reads pictures through {_describe_encoder(layout)}, "
        "which is not here. Copy its weights (model.safetensors of transformers' "
        f"CLIPVisionModelWithProjection) into {folder}",
        CONTROLNET_FIELD,
        value=file.name,
    )


def _check_module(module: Module, file: ModelFile, layout: IPAdapterLayout) -> None:
    named = ENCODER_OF_MODULE.get(module.name)
    if named is None:
        return
    other = VIT_BIG_G if named is VIT_H else VIT_H
    if _serves(other, layout) and not _serves(named, layout):
        raise BadRequest(
            f"{CONTROLNET_FIELD}: {module.name} reads pictures through {KNOWN_ENCODERS[named]}, "
            f"but {file.name} was trained with {KNOWN_ENCODERS[other]}. Choose the module {AUTO}",
            CONTROLNET_FIELD,
            "wrong_architecture",
        )


def _serves(sizes: EncoderSizes, layout: IPAdapterLayout) -> bool:
    return sizes.width(patches=layout.kind.reads_patches) == layout.image_width


def _find_in(index: ModelIndex, layout: IPAdapterLayout) -> ModelFile | None:
    return next(
        (file for file, sizes in _list_encoders(index) if _serves(sizes, layout)),
        None,
    )


def _list_encoders(index: ModelIndex) -> Iterator[tuple[ModelFile, EncoderSizes]]:
    """What cannot be read is passed over: another may serve."""
    for file in index.files_of(ModelKind.ANNOTATOR):
        if FOLDER in file.name.split("/")[:-1]:
            try:
                sizes = clip_vision.encoder_sizes(read_shapes(file))
            except (ModelUnreadable, OSError):
                continue
            if sizes is not None:
                yield file, sizes


def _describe_encoder(layout: IPAdapterLayout) -> str:
    known = (name for sizes, name in KNOWN_ENCODERS.items() if _serves(sizes, layout))
    return next(known, f"an image encoder of {layout.image_width} numbers")
