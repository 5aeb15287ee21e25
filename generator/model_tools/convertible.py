"""Whether a file is a model of the kind that it shall be converted as. No torch."""

from generator.errors import WrongArchitecture
from generator.models.adapter_names import parse_key
from generator.models.families.architecture import PARTS, Architecture, Shapes
from generator.models.families.detection import architecture_of, describe_architecture
from generator.models.index import ModelFile
from generator.models.kind_detection import detect_kind
from generator.models.kinds import ModelKind
from generator.models.misplaced import KINDS, right_folder

CONVERTED = "checkpoints of every family that Easel knows, their U-Nets, VAEs, LoRA and ControlNets"
UNETS = (Architecture.BARE_UNET, Architecture.DIFFUSERS_UNET)
MOST_NAMES, LONGEST_NAME = 3, 80


def check_convertible(file: ModelFile, shapes: Shapes) -> None:
    """Refuse a file that is no model of its kind. Raises :class:`WrongArchitecture`.

    The message tells what was found and what is converted.
    """
    if _is_of_kind(file, shapes):
        return
    architecture = architecture_of(shapes)
    found = describe_architecture(shapes)
    if architecture is Architecture.UNKNOWN:
        names = ", ".join(name[:LONGEST_NAME] for name in list(shapes)[:MOST_NAMES])
        found = f"{found} (its {len(shapes):,} tensors are called {names or 'nothing'} ...)"
    folder = right_folder(architecture)
    kind = KINDS.get(architecture)
    advice = f" Move it to {folder} and convert it as {kind}." if kind and folder else ""
    raise WrongArchitecture(
        f"{file.name} was to be converted as a {file.kind}, and is {found}. Converted are "
        f"{CONVERTED}.{advice}"
    )


def _is_of_kind(file: ModelFile, shapes: Shapes) -> bool:
    if file.kind is ModelKind.CHECKPOINT:
        architecture = architecture_of(shapes)
        return architecture not in PARTS or architecture in UNETS
    detected = detect_kind(shapes, file.metadata).kind
    if file.kind is ModelKind.VAE:
        return detected in (ModelKind.VAE, ModelKind.CHECKPOINT)  # the latter hold one
    if file.kind is ModelKind.LORA:
        return detected is ModelKind.LORA or any(map(parse_key, shapes))
    return detected is file.kind
