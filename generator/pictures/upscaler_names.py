"""Names of the ways to enlarge (contract sections 5.1 and 5.8). No torch."""

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from generator.errors import ModelNotFound
from generator.models.registry import Kind, ModelFile, Registry

LATENT_UPSCALERS: tuple[str, ...] = (
    "Latent",
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
PLAIN_UPSCALERS: tuple[str, ...] = ("None", "Lanczos", "Nearest")

PUBLISHED: Mapping[str, str] = MappingProxyType(
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


STOCK = frozenset(
    {
        *PUBLISHED.values(),
        *("LDSR", "BSRGAN", "SwinIR_4x", "SwinIR 4x", "ScuNET", "ScuNET GAN", "ScuNET PSNR"),
        *("R-ESRGAN x4+", "R-ESRGAN x4+ Anime6B", "R-ESRGAN x2+", "Real-ESRGAN 4x plus"),
        *("Real-ESRGAN 4x plus anime 6B", "Real-ESRGAN 2x plus", "ESRGAN 4x", "DAT x2", "DAT x3"),
    }
)
"""What AUTOMATIC1111 offers before anybody adds a file, earlier versions included; it downloads
the weights, which Easel does not."""

WITHOUT_WEIGHTS = "Lanczos"  # where no network is here


def label(file: ModelFile) -> str:
    """What an upscaler's file is called in lists."""
    return PUBLISHED.get(file.stem, file.stem)


def listed(registry: Registry) -> list[ModelFile]:
    """The files of upscalers, sorted as AUTOMATIC1111 sorts them: by name, capitals alike."""
    return sorted(registry.index.of(Kind.UPSCALER), key=lambda file: label(file).lower())


def known_upscalers(registry: Registry, first: Iterable[str] = PLAIN_UPSCALERS) -> tuple[str, ...]:
    """Every name in the order of contract 5.8: those without weights, then the files'."""
    return (*first, *(label(file) for file in listed(registry)))


def stand_in(registry: Registry, name: str) -> str | None:
    """What is here instead of one of :data:`STOCK`: the file of the likest name, else Lanczos.

    None for a name that is not AUTOMATIC1111's.
    """
    known = {_bare(each) for each in STOCK}
    if _bare(name) not in known:
        return None
    here = {_bare(label(file)): label(file) for file in listed(registry)}
    likest = difflib.get_close_matches(_bare(name), here, n=1, cutoff=0.0)
    return here[likest[0]] if likest else WITHOUT_WEIGHTS


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter == "+")


def find_upscaler(registry: Registry, name: str) -> ModelFile:
    """The file of a label, a stem or a file's name. Raises :class:`ModelNotFound`."""
    try:
        return registry.find(Kind.UPSCALER, name)
    except ModelNotFound:
        stems = (stem for stem, own in PUBLISHED.items() if own.lower() == name.lower())
        for stem in stems:
            return registry.find(Kind.UPSCALER, stem)
        raise
