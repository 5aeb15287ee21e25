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


AUTOMATIC1111_LABELS = frozenset(
    {
        *PUBLISHED_LABELS.values(),
        *("LDSR", "BSRGAN", "SwinIR_4x", "SwinIR 4x", "ScuNET", "ScuNET GAN", "ScuNET PSNR"),
        *("R-ESRGAN x4+", "R-ESRGAN x4+ Anime6B", "R-ESRGAN x2+", "Real-ESRGAN 4x plus"),
        *("Real-ESRGAN 4x plus anime 6B", "Real-ESRGAN 2x plus", "ESRGAN 4x", "DAT x2", "DAT x3"),
    }
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
    known = {_normalize(each) for each in AUTOMATIC1111_LABELS}
    if _normalize(name) not in known:
        return None
    here = {_normalize(label_of(file)): label_of(file) for file in upscaler_files(registry)}
    likest = difflib.get_close_matches(_normalize(name), here, n=1, cutoff=0.0)
    return here[likest[0]] if likest else FALLBACK


def _normalize(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter == "+")


def find_upscaler(registry: Registry, name: str) -> ModelFile:
    """The file of a label, a stem or a file's name. Raises :class:`ModelNotFound`."""
    try:
        return registry.find(ModelKind.UPSCALER, name)
    except ModelNotFound:
        stems = (stem for stem, own in PUBLISHED_LABELS.items() if own.lower() == name.lower())
        for stem in stems:
            return registry.find(ModelKind.UPSCALER, stem)
        raise
