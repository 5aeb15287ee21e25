"""What kinds of model file there are, where each lies, and which suffixes it may have."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from generator.models.others import OtherShelf

TORCH = (".safetensors", ".ckpt", ".pt")
ANY_WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".onnx")
VAE_ENDINGS = (".vae.safetensors", ".vae.ckpt", ".vae.pt")
"""Under a checkpoint folder these are VAEs, not checkpoints (contract sections 5.10, 5.12)."""


class Kind(StrEnum):
    """A kind of model file; the value is the word that messages use."""

    CHECKPOINT = "checkpoint"
    LORA = "lora"
    VAE = "vae"
    VAE_APPROX = "vae_approx"
    EMBEDDING = "embedding"
    HYPERNETWORK = "hypernetwork"
    CONTROLNET = "controlnet"
    ANNOTATOR = "annotator"
    UPSCALER = "upscaler"
    GFPGAN = "gfpgan"
    CODEFORMER = "codeformer"
    BEAUTIFUL_PROMPT = "beautiful_prompt"
    BLIP = "blip"
    TAGGER = "tagger"
    FACE_DETECTION = "face_detection"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where one kind lies below the data directory.

    ``created`` folders are created at the first start; ``also`` folders are read when they are
    there, because they come along from AUTOMATIC1111.
    """

    made: tuple[str, ...]
    suffixes: tuple[str, ...]
    also: tuple[str, ...] = ()


SHELVES: Mapping[Kind, Shelf] = {
    Kind.CHECKPOINT: Shelf(("models/Stable-diffusion",), (".safetensors", ".ckpt")),
    Kind.LORA: Shelf(("models/Lora",), TORCH, also=("models/LyCORIS",)),
    Kind.VAE: Shelf(("models/VAE",), TORCH),
    Kind.VAE_APPROX: Shelf(("models/VAE-approx",), (*TORCH, ".pth")),
    Kind.EMBEDDING: Shelf(("embeddings",), (".safetensors", ".pt", ".bin")),
    Kind.HYPERNETWORK: Shelf(("models/hypernetworks",), (".pt",)),
    Kind.CONTROLNET: Shelf(("models/ControlNet",), (*TORCH, ".pth", ".bin")),
    Kind.ANNOTATOR: Shelf(("models/ControlNet-annotators",), ANY_WEIGHTS),
    Kind.UPSCALER: Shelf(
        ("models/ESRGAN",),
        (".safetensors", ".pth", ".pt"),
        also=("models/RealESRGAN", "models/SwinIR", "models/ScuNET", "models/DAT"),
    ),
    Kind.GFPGAN: Shelf(("models/GFPGAN",), ANY_WEIGHTS),
    Kind.CODEFORMER: Shelf(("models/Codeformer",), ANY_WEIGHTS),
    Kind.BEAUTIFUL_PROMPT: Shelf(("models/BeautifulPrompt",), ANY_WEIGHTS),
    Kind.BLIP: Shelf(("models/BLIP",), ANY_WEIGHTS),
    Kind.TAGGER: Shelf(("models/taggers",), ANY_WEIGHTS),
    Kind.FACE_DETECTION: Shelf(("models/face-detection",), ANY_WEIGHTS),
}


@dataclass(frozen=True)
class Folders:
    """The folders of each kind, in the order in which they are searched."""

    roots: Mapping[Kind, tuple[Path, ...]]
    parents: tuple[Path, ...] = ()  # folders in which a folder of ``roots`` may be made later
    others: tuple[OtherShelf, ...] = ()  # of kinds that are none of ours

    @classmethod
    def under(
        cls, data_dir: Path, models_dir: Path | None = None, **extra: Iterable[Path]
    ) -> "Folders":
        """The tree below ``data_dir``, plus folders by kind: ``under(d, lora=[Path("/loras")])``.

        ``models_dir`` stands in for ``data_dir/models`` (``--models-dir``). An unknown kind in
        ``extra`` is a ValueError.
        """
        more = {Kind(name): tuple(paths) for name, paths in extra.items()}
        models = data_dir / "models" if models_dir is None else models_dir
        return cls(
            {
                kind: _once(
                    [_place(data_dir, models, name) for name in (*shelf.made, *shelf.also)]
                    + list(more.get(kind, ()))
                )
                for kind, shelf in SHELVES.items()
            },
            _once([models]),
        )

    def of(self, kind: Kind) -> tuple[Path, ...]:
        """The folders of one kind, whether they exist or not."""
        return self.roots.get(kind, ())

    def made(self) -> tuple[Path, ...]:
        """The folders to create at the first start."""
        return tuple(
            path for kind, shelf in SHELVES.items() for path in self.of(kind)[: len(shelf.made)]
        )

    def all(self) -> tuple[Path, ...]:
        """What a watcher has to look at: every folder, none of them twice or inside another."""
        paths = _once((*self.parents, *(path for roots in self.roots.values() for path in roots)))
        return tuple(path for path in paths if not any(other in path.parents for other in paths))


def _place(data_dir: Path, models: Path, name: str) -> Path:
    first, _, rest = name.partition("/")
    return models / rest if first == "models" else data_dir / name


def _once(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(path.expanduser().absolute() for path in paths))
