"""Kinds of model files, their folders and suffixes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from generator.data_folders import EMBEDDINGS_FOLDER, MODELS_FOLDER
from generator.models.plugin_models import PluginModelFolder

TORCH_SUFFIXES = (".safetensors", ".ckpt", ".pt")
WEIGHT_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".onnx")
CHECKPOINT_SUFFIXES = (".safetensors", ".ckpt", ".gguf")  # the last is told and not drawn with
VAE_ENDINGS = (".vae.safetensors", ".vae.ckpt", ".vae.pt")
"""Under a checkpoint folder these are VAEs, not checkpoints (contract sections 5.10, 5.12)."""


class ModelKind(StrEnum):
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
class KindFolders:
    """Where one kind lies below the data directory.

    ``created`` folders are created at the first start; ``also`` folders are read when they are
    there, because they come along from AUTOMATIC1111.
    """

    created: tuple[str, ...]
    suffixes: tuple[str, ...]
    also: tuple[str, ...] = ()


FOLDERS_BY_KIND: Mapping[ModelKind, KindFolders] = {
    ModelKind.CHECKPOINT: KindFolders(("models/Stable-diffusion",), CHECKPOINT_SUFFIXES),
    ModelKind.LORA: KindFolders(("models/Lora",), TORCH_SUFFIXES, also=("models/LyCORIS",)),
    ModelKind.VAE: KindFolders(("models/VAE",), TORCH_SUFFIXES),
    ModelKind.VAE_APPROX: KindFolders(("models/VAE-approx",), (*TORCH_SUFFIXES, ".pth")),
    ModelKind.EMBEDDING: KindFolders((EMBEDDINGS_FOLDER,), (".safetensors", ".pt", ".bin")),
    ModelKind.HYPERNETWORK: KindFolders(("models/hypernetworks",), (".pt",)),
    ModelKind.CONTROLNET: KindFolders(("models/ControlNet",), (*TORCH_SUFFIXES, ".pth", ".bin")),
    ModelKind.ANNOTATOR: KindFolders(("models/ControlNet-annotators",), WEIGHT_SUFFIXES),
    ModelKind.UPSCALER: KindFolders(
        ("models/ESRGAN",),
        (".safetensors", ".pth", ".pt"),
        also=("models/RealESRGAN", "models/SwinIR", "models/ScuNET", "models/DAT"),
    ),
    ModelKind.GFPGAN: KindFolders(("models/GFPGAN",), WEIGHT_SUFFIXES),
    ModelKind.CODEFORMER: KindFolders(("models/Codeformer",), WEIGHT_SUFFIXES),
    ModelKind.BEAUTIFUL_PROMPT: KindFolders(("models/BeautifulPrompt",), WEIGHT_SUFFIXES),
    ModelKind.BLIP: KindFolders(("models/BLIP",), WEIGHT_SUFFIXES),
    ModelKind.TAGGER: KindFolders(
        ("models/taggers",), WEIGHT_SUFFIXES, also=("models/torch_deepdanbooru",)
    ),
    ModelKind.FACE_DETECTION: KindFolders(
        ("models/face-detection",), WEIGHT_SUFFIXES, also=("models/facedetection",)
    ),
}


@dataclass(frozen=True)
class Folders:
    """The folders of each kind, in the order in which they are searched."""

    roots: Mapping[ModelKind, tuple[Path, ...]]
    parents: tuple[Path, ...] = ()  # folders in which a folder of ``roots`` may be made later
    plugin_folders: tuple[PluginModelFolder, ...] = ()  # of kinds that are none of ours

    @classmethod
    def under(
        cls, data_dir: Path, models_dir: Path | None = None, **extra: Iterable[Path]
    ) -> "Folders":
        """The tree below ``data_dir``, plus folders by kind: ``under(d, lora=[Path("/loras")])``.

        ``models_dir`` stands in for ``data_dir/models`` (``--models-dir``). An unknown kind in
        ``extra`` is a ValueError.
        """
        more = {ModelKind(name): tuple(paths) for name, paths in extra.items()}
        models = data_dir / MODELS_FOLDER if models_dir is None else models_dir
        return cls(
            {
                kind: _unique_paths(
                    [
                        resolve_folder(data_dir, models, name)
                        for name in (*folder.created, *folder.also)
                    ]
                    + list(more.get(kind, ()))
                )
                for kind, folder in FOLDERS_BY_KIND.items()
            },
            _unique_paths([models]),
        )

    def of(self, kind: ModelKind) -> tuple[Path, ...]:
        """The folders of one kind, whether they exist or not."""
        return self.roots.get(kind, ())

    def folders_to_create(self) -> tuple[Path, ...]:
        """The folders to create at the first start."""
        return tuple(
            path
            for kind, folder in FOLDERS_BY_KIND.items()
            for path in self.of(kind)[: len(folder.created)]
        )

    def all(self) -> tuple[Path, ...]:
        """What a watcher has to look at: every folder, none of them twice or inside another."""
        paths = _unique_paths(
            (*self.parents, *(path for roots in self.roots.values() for path in roots))
        )
        return tuple(path for path in paths if not any(other in path.parents for other in paths))


def resolve_folder(data_dir: Path, models: Path, name: str) -> Path:
    """The folder that is called ``name`` below a data directory whose models lie in ``models``."""
    first, _, rest = name.partition("/")
    return models / rest if first == MODELS_FOLDER else data_dir / name


def _unique_paths(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(path.expanduser().absolute() for path in paths))
