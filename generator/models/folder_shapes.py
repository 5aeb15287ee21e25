"""Names and shapes of the tensors in a folder of diffusers, by its headers alone. No torch."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from generator.errors import ModelUnreadable
from generator.models.diffusers_folders import CONFIG, TEXT, ModelPart, title_of
from generator.models.families.architecture import Shapes
from generator.models.families.ldm.diffusers_names import ldm_names
from generator.models.header import Header, read_header
from generator.models.plain_files import read_object
from generator.reasons import reason_of

OPEN_CLIP_WIDTH = 1024  # of the text encoder of Stable Diffusion 2
TOKENS = "embeddings.token_embedding.weight"


def read_headers(folder: Path, parts: Sequence[ModelPart]) -> dict[ModelPart, Header]:
    """The header of each file; that all are whole is seen to.

    Raises :class:`ModelUnreadable`, naming folder and part.
    """
    headers = {}
    for part in parts:
        with explain_part(folder, part):
            headers[part] = read_header(part.path)
    return headers


def folder_shapes(folder: Path, headers: Mapping[ModelPart, Header]) -> dict[str, tuple[int, ...]]:
    """All tensors by their names in LDM's layout."""
    shapes = {part: _shapes(header) for part, header in headers.items()}
    names = names_in_folder(folder, shapes)
    return {names[part][name]: shape for part in shapes for name, shape in shapes[part].items()}


def names_in_folder(
    folder: Path, shapes: Mapping[ModelPart, Shapes]
) -> dict[ModelPart, dict[str, str]]:
    """For each file its tensors' names in LDM's layout."""
    networks: dict[str, dict[str, tuple[int, ...]]] = {}
    for part, own in shapes.items():
        networks.setdefault(part.part, {}).update(own)
    names = ldm_names(networks, is_open_clip=_is_open_clip(folder, networks.get(TEXT, {})))
    return {part: {name: names[part.part][name] for name in own} for part, own in shapes.items()}


def _is_open_clip(folder: Path, text: Shapes) -> bool:
    """Whether the first text encoder is OpenCLIP's: by its activation, else by its width."""
    activation = read_object(folder / TEXT / CONFIG).get("hidden_act")
    if isinstance(activation, str):
        return activation != "quick_gelu"
    return any(
        name.endswith(TOKENS) and shape[-1] == OPEN_CLIP_WIDTH for name, shape in text.items()
    )


@contextmanager
def explain_part(folder: Path, part: ModelPart) -> Iterator[None]:
    """What is wrong with one file is told with the names of the folder and the part."""
    try:
        yield
    except ModelUnreadable as error:
        raise ModelUnreadable(f"{folder.name}/{part.part}/{error}") from error
    except OSError as error:
        raise ModelUnreadable(f"{title_of(folder, part)}: {reason_of(error)}") from error


def _shapes(header: Header) -> dict[str, tuple[int, ...]]:
    return {name: entry.shape for name, entry in header.tensors.items()}
