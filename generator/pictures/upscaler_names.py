"""Names of upscalers and latent upscale modes (contract sections 5.1 and 5.8). No torch."""

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from generator.errors import ModelNotFound
from generator.models.registry import ModelFile, ModelKind, Registry

LATENT_UPSCALERS: tuple[str, ...] = (
    "Latent",
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
PLAIN_UPSCALERS: tuple[str, ...] = ("None", "Lanczos", "Nearest")

PUBLISHED_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "DAT_x2": "DAT x2",
        "DAT_x3": "DAT x3",
        "DAT_x4": "DAT x4",
        "ESRGAN": "ESRGAN_4x",
        "RealESRGAN_x2plus": "R-ESRGAN 2x+",
        "RealESRGAN_x4plus": "R-ESRGAN 4x+",
        "RealESRGAN_x4plus_anime_6B": "R-ESRGAN 4x+ Anime6B",
        "realesr-animevideov3": "R-ESRGAN AnimeVideo",
        "realesr-general-wdn-x4v3": "R-ESRGAN General WDN 4xV3",
        "realesr-general-x4v3": "R-ESRGAN General 4xV3",
        "scunet_color_real_gan": "ScuNET GAN",
        "scunet_color_real_psnr": "ScuNET PSNR",
        "003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN": "SwinIR 4x",
    }
)
"""Stems of files as their makers publish them, and what AUTOMATIC1111 calls them: infotexts say
``Hires upscaler: R-ESRGAN 4x+``."""


OLD_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "R-ESRGAN x4+": "R-ESRGAN 4x+",
        "R-ESRGAN x4+ Anime6B": "R-ESRGAN 4x+ Anime6B",
        "R-ESRGAN x2+": "R-ESRGAN 2x+",
        "Real-ESRGAN 4x plus": "R-ESRGAN 4x+",
        "Real-ESRGAN 4x plus anime 6B": "R-ESRGAN 4x+ Anime6B",
        "Real-ESRGAN 2x plus": "R-ESRGAN 2x+",
        "ScuNET": "ScuNET GAN",
    }
)
"""What earlier versions called some of them."""

AUTOMATIC1111_LABELS = frozenset(
    {*PUBLISHED_LABELS.values(), *OLD_LABELS, "LDSR", "BSRGAN", "SwinIR_4x", "ESRGAN 4x"}
)
"""What AUTOMATIC1111 offers before anybody adds a file, earlier versions included; it downloads
the weights, which Easel does not."""

FALLBACK = "Lanczos"  # where no network is here


def label_of(file: ModelFile) -> str:
    """What an upscaler's file is called in lists."""
    return PUBLISHED_LABELS.get(file.stem, file.stem)


def upscaler_files(registry: Registry) -> list[ModelFile]:
    """The files of upscalers, sorted as AUTOMATIC1111 sorts them: by name, capitals alike."""
    return sorted(
        registry.index.files_of(ModelKind.UPSCALER), key=lambda file: label_of(file).lower()
    )


def known_upscalers(registry: Registry, first: Iterable[str] = PLAIN_UPSCALERS) -> tuple[str, ...]:
    """Every name in the order of contract 5.8: those without weights, then the files'."""
    return (*first, *(label_of(file) for file in upscaler_files(registry)))


def replacement_for(registry: Registry, name: str) -> str | None:
    """What is here instead of one of :data:`AUTOMATIC1111_LABELS`: the file of the likest name,
    else Lanczos.

    None for a name that is not AUTOMATIC1111's.
    """
    label = _current_label(name)
    if label is None:
        return None
    here = {_normalize(label_of(file)): label_of(file) for file in upscaler_files(registry)}
    likest = difflib.get_close_matches(_normalize(label), here, n=1, cutoff=0.0)
    return here[likest[0]] if likest else FALLBACK


def why_broken(registry: Registry, name: str) -> str:
    """Why the file of an upscaler's name that is there is not listed; "" where there is none."""
    label = _current_label(name)
    stems = (stem for stem, published in PUBLISHED_LABELS.items() if published == label)
    for each in (name, *stems):
        if reason := registry.why_rejected(ModelKind.UPSCALER, each):
            return f"{name[:80]!r} is there but cannot be used: {reason.rstrip('.')}"
    return ""


def _current_label(name: str) -> str | None:
    """The label of AUTOMATIC1111's that ``name`` means, an old one as it is called now."""
    known = {_normalize(label): OLD_LABELS.get(label, label) for label in AUTOMATIC1111_LABELS}
    return known.get(_normalize(name))


def _normalize(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter == "+")


def find_upscaler(registry: Registry, name: str) -> ModelFile:
    """The file of a label of AUTOMATIC1111's, old ones included, a stem or a file's name.

    Capitals, spaces, lines and dots of a label do not matter. Raises :class:`ModelNotFound`.
    """
    try:
        return registry.find(ModelKind.UPSCALER, name)
    except ModelNotFound:
        if (label := _current_label(name)) is None:
            raise
        for file in upscaler_files(registry):
            if _normalize(label) in (_normalize(label_of(file)), _normalize(file.stem)):
                return file
        raise
