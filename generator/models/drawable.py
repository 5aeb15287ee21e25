"""Whether a checkpoint can be drawn with, judged by its header alone, without torch.

It is asked when a checkpoint is chosen. Loading asks the same questions, and further ones.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from generator.errors import GeneratorError, ModelUnreadable, WrongArchitecture
from generator.models.embedding_facts import read_shapes
from generator.models.families.architecture import Architecture, Shapes
from generator.models.families.catalog import BUILT_IN, family_of
from generator.models.families.detection import architecture_of, describe_architecture
from generator.models.families.family import Family
from generator.models.families.ldm import sizes
from generator.models.families.ldm.keys import old_text_name
from generator.models.families.ldm.open_clip import rename_shapes
from generator.models.index import ModelFile
from generator.models.misplaced import right_folder

UNTOLD = (Architecture.UNKNOWN, Architecture.BARE_UNET)  # then a GGUF file's own word counts
MAX_TENSORS = 20_000  # of a checkpoint with its averages, twice over
SHAPE_ERRORS = (
    ValueError, TypeError, RuntimeError, ArithmeticError, AttributeError, NotImplementedError,
    AssertionError,
)  # fmt: skip
"""What diffusers, transformers and torch raise for sizes that are none."""
VAE_PREFIXES = (sizes.VAE, "vae.")  # prefixes of a VAE inside a checkpoint


@dataclass(frozen=True, slots=True)
class CheckpointVerdict:
    """What a checkpoint's header tells of drawing with it."""

    fault: str = ""  # why no picture can be drawn with it; "" where nothing is known against it
    lacks_vae: bool = False  # a VAE of another file is needed
    family: Family | None = None  # None where there is a fault


def judge_checkpoint(file: ModelFile, families: Sequence[Family] = ()) -> CheckpointVerdict:
    """Read the header of a checkpoint and judge it; ``families`` are plugins'."""
    try:
        read = read_shapes(file)
        family = check_architecture(file, read, families)
        rename = family.rename or old_text_name
        shapes: Shapes = {rename(name): shape for name, shape in read.items()}
        hints = sizes.Hints()
        shapes = rename_shapes(shapes, family)
        with explain_missing_tensors(file, "U-Net and text encoder"):
            sizes.unet_config(shapes, hints, family)
            for spec in family.text_encoders:
                sizes.text_config(shapes, hints, spec)
    except GeneratorError as error:
        return CheckpointVerdict(str(error))
    except OSError as error:
        return CheckpointVerdict(f"{file.name}: {error.strerror}")
    lacks_vae = not any(name.startswith(VAE_PREFIXES) for name in shapes)
    return CheckpointVerdict(lacks_vae=lacks_vae, family=family)


def check_architecture(file: ModelFile, shapes: Shapes, families: Sequence[Family] = ()) -> Family:
    """The family of a checkpoint's tensors, named as in the file; ``families`` are plugins'.

    Raises :class:`WrongArchitecture` for tensors of a kind that is not drawn with.
    """
    if len(shapes) > MAX_TENSORS:
        raise WrongArchitecture(
            f"{file.name} holds {len(shapes):,} tensors; a checkpoint has less than {MAX_TENSORS:,}"
        )
    refuse_quantised(file, shapes)
    family = family_of(shapes, families)
    if family is None:
        drawn, found = ", ".join(each.label for each in BUILT_IN), architecture_of(shapes)
        raise WrongArchitecture(
            f"{file.name} was asked to draw as a checkpoint, but it is "
            f"{describe_architecture(shapes)}. Easel draws with checkpoints of {drawn}: "
            f"choose one, or move the file to {right_folder(found) or 'the folder of its kind'}"
        )
    return family


def refuse_quantised(file: ModelFile, shapes: Shapes) -> None:
    """Refuse a file whose weights are quantised. Raises :class:`WrongArchitecture`."""
    if file.weight_format is None:
        return
    told = file.architecture is not None and architecture_of(shapes) in UNTOLD
    kind = file.architecture.label if told and file.architecture else describe_architecture(shapes)
    raise WrongArchitecture(
        f"{file.name} is quantised as {file.weight_format.label}, which Easel does not read; it is "
        f"{kind}. Choose a checkpoint in fp16, bf16 or fp32 of a family that Easel draws with"
    )


@contextmanager
def explain_missing_tensors(file: ModelFile, needed: str) -> Iterator[None]:
    """A tensor that the sizes are read from is missing: a file without VAE or text encoder.

    What is there and makes no network is told alike. Raises :class:`ModelUnreadable`.
    """
    try:
        yield
    except SHAPE_ERRORS as error:
        raise ModelUnreadable(
            f"{file.name}: its tensors make no network: their sizes are of none that Easel knows"
        ) from error
    except (KeyError, IndexError, StopIteration) as error:
        raise ModelUnreadable(
            f"{file.name} is incomplete: it lacks {error.args[0] if error.args else 'attention'}. "
            f"Easel needs {needed} in one file"
        ) from error
