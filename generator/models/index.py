"""Frozen index of model files, searchable by every name of a file.

Names are those of contract sections 2.6, 5.10 and 5.12.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import NoReturn

from generator.errors import ModelNotFound, ModelUnreadable
from generator.models.diffusers_folders import ModelPart, look_at
from generator.models.embedded_json import parse_embedded
from generator.models.embedding_facts import EmbeddingFacts
from generator.models.families.architecture import Architecture
from generator.models.kinds import FOLDERS_BY_KIND, ModelKind
from generator.models.plain_files import FileStamp, read_object, stamp_of
from generator.models.plugin_models import PluginModel
from generator.models.quantisation import WeightFormat
from generator.unicode_names import by_either_form, find_by_name, to_nfc

Identity = tuple[str, int, int, int, int]  # path, then its FileStamp
RESERVED_ALIASES = frozenset({"none", "Addams"})  # never an alias of a LoRA (contract 2.6)
MAX_NAMES_IN_SENTENCE = 8
LONGEST_NAME = 200  # characters of a name that is not here, in an answer
FOLDER_MARK = ".folder"
DIFFUSERS_WEIGHTS = "diffusion_pytorch_model."
TRAINED_SIZE_KEY = (
    "easel.preferred_size"  # in metadata: the size that the model learned and draws best
)


@dataclass(frozen=True)
class ModelFile:
    """One complete model file. A replaced file has another ``identity``."""

    kind: ModelKind
    name: str  # posix path relative to its root, with suffix
    path: Path  # absolute
    size: int  # bytes
    mtime_ns: int
    inode: int
    ctime_ns: int = 0  # when its content, name or rights changed last
    sha256: str | None = None  # of the whole file; None until computed, or under --no-hashing
    payload_sha256: str | None = None  # of what follows the header; LoRAs only
    legacy_hash: str | None = None  # 8 hex, checkpoints and ControlNets only
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)  # __metadata__
    config: Path | None = None  # the .yaml of the same stem beside it
    config_stamp: FileStamp | None = None  # the .yaml's
    is_drawable: bool = (
        True  # False for a checkpoint of whose header it is sure that none draws with it
    )
    architecture: Architecture | None = None  # of a checkpoint; None: its header does not tell
    weight_format: WeightFormat | None = None  # of a checkpoint; None: plain numbers, or not told
    embedding: EmbeddingFacts = field(default_factory=EmbeddingFacts)
    kept_in: Path | None = field(default=None, compare=False)  # where a pickle's tensors are kept
    parts: tuple[ModelPart, ...] = ()  # of a folder of diffusers: its files of weights

    @property
    def stem(self) -> str:
        """The file's name without folders and suffix."""
        return self.beside.stem

    @property
    def beside(self) -> Path:
        """A path by whose stem other files beside it are named: a folder's dots are no suffix."""
        return self.path.with_name(f"{self.path.name}{FOLDER_MARK}") if self.parts else self.path

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The files that hold its weights: itself, or those in the folder."""
        return tuple(part.path for part in self.parts) or (self.path,)

    @property
    def model_name(self) -> str:
        """The name without suffix, its folders joined by underscores."""
        suffix = "" if self.parts else self.path.suffix
        return self.name.removesuffix(suffix).replace("/", "_").replace("\\", "_")

    @property
    def shorthash(self) -> str | None:
        """The first 10 hex digits of the file's sha256 (Civitai's AutoV2)."""
        return self.sha256[:10] if self.sha256 else None

    @property
    def title(self) -> str:
        """``name [shorthash]``, or the name alone while no hash is known."""
        return f"{self.name} [{self.shorthash}]" if self.sha256 else self.name

    @property
    def alias(self) -> str:
        """What a LoRA calls itself (``ss_output_name``), else the stem."""
        return self.metadata.get("ss_output_name") or self.stem

    @property
    def network_hash(self) -> str | None:
        """The 12 hex digits that ``Lora hashes`` in the infotext tells (contract 2.6)."""
        known = self.metadata.get("sshs_model_hash") or self.payload_sha256 or self.sha256
        return known[:12] if known else None

    @property
    def folder_of_diffusers(self) -> str | None:
        """The folder's name, where the file is the weights of one that diffusers saved.

        People call such a model by its folder, or by the one above ``vae``: the file has the same
        name in all of them.
        """
        *folders, name = self.name.split("/")
        if not folders or not name.startswith(DIFFUSERS_WEIGHTS):
            return None
        return folders[-2] if folders[-1] == "vae" and len(folders) > 1 else folders[-1]

    @property
    def vae_name(self) -> str:
        """What lists and infotexts call a VAE: its file name, or its folder of diffusers'."""
        return self.folder_of_diffusers or self.path.name

    @property
    def default_size(self) -> int | None:
        """Pixels a side that a checkpoint was trained at, where its metadata tells."""
        return default_size(self.metadata)

    @property
    def identity(self) -> Identity:
        """Tells this file from one that takes its place later."""
        return (str(self.path), *self.stamp)

    @property
    def stamp(self) -> FileStamp:
        """What a look at the disk told of it."""
        return (self.size, self.mtime_ns, self.inode, self.ctime_ns)

    @property
    def state(self) -> tuple[Identity, Path | None, FileStamp | None]:
        """Tells whether what was loaded of this file still holds: its .yaml shapes it too."""
        return (self.identity, self.config, self.config_stamp)

    @property
    def is_on_disk(self) -> bool:
        """Whether the disk still holds this very file."""
        try:
            if self.parts:
                return look_at(self.path).stamp == self.stamp
            return stamp_of(self.path.stat()) == self.stamp
        except (OSError, ModelUnreadable):
            return False

    @property
    def facts(self) -> dict[str, object]:
        """The metadata with its embedded JSON objects parsed, as ``GET /sdapi/v1/loras`` shows."""
        return {key: parse_embedded(value) for key, value in self.metadata.items()}

    def aliases(self) -> tuple[str, ...]:
        """Every exact name of a checkpoint, the most telling first (contract 5.10)."""
        hashes = [self.sha256, self.shorthash, self.legacy_hash]
        tagged = [
            f"{name} [{short}]" for name in (self.name, self.stem) for short in hashes[1:] if short
        ]
        names = [self.name, self.title, *tagged, self.model_name, self.stem]
        return tuple(dict.fromkeys([*names, *filter(None, hashes)]))


@dataclass(frozen=True)
class ModelIndex:
    """All model files at one moment. Lookups raise :class:`ModelNotFound` naming what is there."""

    files: Mapping[ModelKind, tuple[ModelFile, ...]]
    rejected: Mapping[Path, str] = field(default_factory=dict)
    """Why a file is not listed, by its path with every character shown."""
    refused: Mapping[Identity, str] = field(default_factory=dict)
    """The same for what is in a file: it is not read again until it changes."""
    unsettled: frozenset[Path] = frozenset()  # of these, the ones worth another look in a second
    plugin_models: Mapping[str, tuple[PluginModel, ...]] = field(
        default_factory=dict
    )  # plugins' kinds

    @cached_property
    def digest(self) -> str:
        """Names what is listed and left out: two processes that see the same files say the same.

        Hashes do not count: they come later, and change no file.
        """
        states = [
            (str(kind), str(file.path), *file.stamp, str(file.config), file.config_stamp)
            for kind, files in self.files.items()
            for file in files
        ]
        out = [(str(p), why) for p, why in self.rejected.items() if p not in self.unsettled]
        seen = repr((sorted(states), sorted(out)))
        return blake2b(seen.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()

    def files_of(self, kind: ModelKind) -> tuple[ModelFile, ...]:
        """The files of one kind, sorted as a person would (``v2`` before ``v10``)."""
        return self.files.get(kind, ())

    def find_checkpoint(self, name: str = "", exact: bool = True) -> ModelFile:
        """The checkpoint of that name, title or hash; "" is the first one that draws.

        With ``exact`` off, the shortest title that contains ``name`` is taken too, and then the
        same with a trailing ``[hash]`` cut off (contract 5.10).
        """
        checkpoint = find_by_name(self._checkpoint_names, name) if name else self.first_checkpoint
        if checkpoint is None and name and not exact:
            checkpoint = self._closest(name)
        return checkpoint or self._raise_not_found(ModelKind.CHECKPOINT, name)

    def find_vae(self, name: str) -> ModelFile:
        """The VAE of that file name, with or without its suffix."""
        return self.find(ModelKind.VAE, name)

    def vae_for(
        self, checkpoint: ModelFile, setting: str = "Automatic", overrides: bool = True
    ) -> ModelFile | None:
        """The external VAE to load, or None for the checkpoint's own (contract 5.12).

        ``setting`` is the option ``sd_vae``; ``overrides`` is
        ``sd_vae_overrides_per_model_preferences``. A setting that names no VAE means the
        checkpoint's own, as in AUTOMATIC1111; call :meth:`find_vae` first to refuse it.
        """
        by_setting = find_by_name(self._names_of(ModelKind.VAE), setting)
        if setting != "Automatic" and overrides:
            return by_setting
        preferred = find_by_name(self._names_of(ModelKind.VAE), _preferred_vae(checkpoint))
        return preferred or self._vae_near(checkpoint) or by_setting

    def _vae_near(self, checkpoint: ModelFile) -> ModelFile | None:
        """The VAE of the checkpoint's own name, else the first whose name begins with it."""
        stem = to_nfc(checkpoint.stem)
        near = [
            vae for vae in self.files_of(ModelKind.VAE) if to_nfc(vae.path.name).startswith(stem)
        ]
        own = (vae for vae in near if to_nfc(vae.stem).removesuffix(".vae") == stem)
        return next(own, near[0] if near else None)

    def find_lora(self, name: str) -> ModelFile:
        """The LoRA of that stem, or of that alias where only one file has it (contract 2.6)."""
        stems = self._names_of(ModelKind.LORA)
        found = find_by_name(stems, name) or find_by_name(self._lora_aliases, name)
        return found or self._raise_not_found(ModelKind.LORA, name)

    def find(self, kind: ModelKind, name: str) -> ModelFile:
        """The file of any kind by its name, with or without folders and suffix."""
        if kind is ModelKind.CHECKPOINT:
            return self.find_checkpoint(name)
        if kind is ModelKind.LORA:
            return self.find_lora(name)
        return find_by_name(self._names_of(kind), name) or self._raise_not_found(kind, name)

    @property
    def first_checkpoint(self) -> ModelFile | None:
        """What is drawn with where nobody names one; None where there is none."""
        files = self.files_of(ModelKind.CHECKPOINT)
        return next((file for file in files if file.is_drawable), files[0] if files else None)

    @cached_property
    def _checkpoint_names(self) -> Mapping[str, ModelFile]:
        # A file's own path beats another file's stem, whatever their order in the list.
        files = self.files_of(ModelKind.CHECKPOINT)
        return _first_wins(
            [(file.name, file) for file in files]
            + [(alias, file) for file in files for alias in file.aliases()]
        )

    @cached_property
    def _lora_aliases(self) -> Mapping[str, ModelFile]:
        files = self.files_of(ModelKind.LORA)
        alias_counts = Counter(file.alias for file in files)
        return by_either_form(
            {
                file.alias: file
                for file in files
                if alias_counts[file.alias] == 1 and file.alias not in RESERVED_ALIASES
            }
        )

    @cached_property
    def _names_by_kind(self) -> Mapping[ModelKind, Mapping[str, ModelFile]]:
        return {kind: _names_of_files(files) for kind, files in self.files.items()}

    def _names_of(self, kind: ModelKind) -> Mapping[str, ModelFile]:
        return self._names_by_kind.get(kind, {})

    def _closest(self, name: str) -> ModelFile | None:
        for part in dict.fromkeys((name, without_hash(name))):
            wanted = to_nfc(part)
            matches = [
                file for file in self.files_of(ModelKind.CHECKPOINT) if wanted in to_nfc(file.title)
            ]
            if matches and part:
                return min(matches, key=lambda file: len(file.title))
        return None

    def _raise_not_found(self, kind: ModelKind, name: str) -> NoReturn:
        label, name = kind.replace("_", " "), name[:LONGEST_NAME]
        place = FOLDERS_BY_KIND[kind].created[0]
        broken = {
            path: reason
            for path, reason in self.rejected.items()
            if path.name.endswith(FOLDERS_BY_KIND[kind].suffixes)
        }
        if kind is ModelKind.CHECKPOINT:  # a folder of diffusers
            wanted = to_nfc(name)
            broken |= {p: why for p, why in self.rejected.items() if to_nfc(p.name) == wanted}
        for path, reason in broken.items():
            if to_nfc(name) in map(to_nfc, (path.name, path.stem)):
                raise ModelNotFound(
                    f"The {label} {name!r} is there but cannot be used: {reason}.",
                    code="model_unusable",
                    value=name,
                )
        known = [file.name for file in self.files_of(kind)]
        if not known:
            request_text = f" (asked for: {name!r})" if name else ""
            broken_text = "".join(
                f" One cannot be used: {reason}." for reason in list(broken.values())[:1]
            )
            raise ModelNotFound(
                f"There is no {label} yet{request_text}. Copy one into {place}.{broken_text}",
                value=name,
                known=[],
            )
        raise ModelNotFound(
            f"There is no {label} {name!r}. {_list_names(known, name)} "
            f"Name one of these, or copy yours into {place}.",
            value=name,
            known=known,
        )


def without_hash(name: str) -> str:
    """A title without its ``[hash]``. No regular expression: a name may be a million spaces."""
    head, mark, digest = name.rstrip().rpartition("[")
    is_hash = mark and digest.endswith("]") and set(digest[:-1]) <= set("0123456789abcdef")
    return head.rstrip() if is_hash and len(digest) > 1 else name


def default_size(metadata: Mapping[str, str]) -> int | None:
    """``easel.default_size``, else ``modelspec.resolution`` ("512x512"), in pixels; else None."""
    size_text = metadata.get("easel.default_size") or metadata.get("modelspec.resolution") or ""
    first = size_text.partition("x")[0].strip()
    return int(first) if first.isascii() and first.isdigit() and len(first) <= 4 else None


def trained_size(metadata: Mapping[str, str]) -> int | None:
    """The side in pixels of :data:`TRAINED_SIZE_KEY` ("256x256"); None where nothing, or else, is
    said.
    """
    side = re.fullmatch(r"(\d{2,4})x\d{2,4}", metadata.get(TRAINED_SIZE_KEY, ""))
    return int(side[1]) if side else None


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A sorting key in which ``v10`` follows ``v2``; letters sort without their case."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _list_names(known: list[str], name: str) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.4)
    listed = list(dict.fromkeys([*near, *known]))[:MAX_NAMES_IN_SENTENCE]
    more = f" and {len(known) - len(listed)} more" if len(known) > len(listed) else ""
    return f"Here are: {', '.join(listed)}{more}."


def _names_of_files(files: Iterable[ModelFile]) -> Mapping[str, ModelFile]:
    files = tuple(files)
    plain_first = sorted(files, key=lambda file: len(file.path.name))  # ".fp16" is longer
    return _first_wins(
        [(file.name, file) for file in files]
        + [(file.path.name, file) for file in files]
        + [(file.stem, file) for file in files]
        + [(file.name.removesuffix(file.path.suffix), file) for file in files]
        + [(folder, file) for file in plain_first for folder in _folders_of_diffusers(file)]
    )


def _folders_of_diffusers(file: ModelFile) -> tuple[str, ...]:
    """The names of the folder that diffusers saved: alone, and with those above it."""
    folder = file.folder_of_diffusers
    return (folder, file.name.rpartition("/")[0]) if folder else ()


def _first_wins(pairs: Iterable[tuple[str, ModelFile]]) -> Mapping[str, ModelFile]:
    table: dict[str, ModelFile] = {}
    for name, file in pairs:
        table.setdefault(name, file)
    return by_either_form(table)


def _preferred_vae(checkpoint: ModelFile) -> str:
    """The ``vae`` that the user's metadata beside a checkpoint names, or ""."""
    name = read_object(checkpoint.beside.with_suffix(".json")).get("vae")
    return name if isinstance(name, str) and name != "Automatic" else ""
