"""An IP-Adapter's file: what it reads of a picture, and for which base it was trained.

``image_proj.`` makes a few tokens of what an image encoder tells of a picture; ``ip_adapter.N.``
holds keys and values of those tokens for each cross-attention of a U-Net, N = 1, 3, 5 ... in the
order of diffusers' attention processors: down, up, middle (Ye et al. 2023, arXiv:2308.06721).
No torch.
"""

import re
from dataclasses import dataclass
from enum import Enum

from generator.errors import WrongArchitecture
from generator.models.families.architecture import (
    Architecture,
    Shapes,
    architecture_by_context_width,
)
from generator.models.families.ldm.sizes import count_entries

PROJECTION, LAYERS = "image_proj.", "ip_adapter."
KEY, VALUE = ".to_k_ip.weight", ".to_v_ip.weight"
FIRST_KEY = f"{LAYERS}1{KEY}"
HEAD = 64  # numbers of an attention head of the resampler
FACE_WIDTH = 512  # of the vector of a face that InstantID's resampler reads


class ProjectionKind(Enum):
    """How tokens are made of a picture."""

    LINEAR = "of the whole picture's vector"
    RESAMPLER = "by queries to all patches"  # "plus"
    PERCEPTRON = "one of each patch"  # "full"

    @property
    def reads_patches(self) -> bool:
        """Whether it reads the encoder's last but one layer instead of the picture's vector."""
        return self is not ProjectionKind.LINEAR


@dataclass(frozen=True, slots=True)
class IPAdapterLayout:
    """The sizes of an IP-Adapter."""

    kind: ProjectionKind
    image_width: int  # numbers of what the image encoder tells
    text_width: int  # of a token, as of the text that the U-Net reads
    layer_widths: tuple[int, ...]  # of each cross-attention, in the file's order
    tokens: int  # of a picture; 0: as many as the encoder has patches
    hidden_width: int = 0  # of the resampler, as the next ones
    heads: int = 0
    depth: int = 0
    widening: float = 0.0  # of its feed-forward layers

    @property
    def base(self) -> Architecture:
        """What it was trained for."""
        return architecture_by_context_width(self.text_width)


def layout_of(name: str, shapes: Shapes) -> IPAdapterLayout:
    """The sizes of the IP-Adapter ``name``.

    Raises :class:`WrongArchitecture` for one that reads faces, KeyError and IndexError for tensors
    that are missing or of other numbers of axes.
    """
    own = projection_shapes(shapes)
    if reads_faces(own):
        raise WrongArchitecture(
            f"{name} is an IP-Adapter that reads the vector of a face (FaceID, InstantID). It "
            "needs insightface, which is not here. Choose an IP-Adapter that reads pictures, such "
            "as ip-adapter-plus-face_sd15"
        )
    widths = tuple(shapes[f"{LAYERS}{number}{KEY}"][0] for number in layer_numbers(shapes))
    text_width = shapes[FIRST_KEY][1]
    if "latents" in own:
        return _resampler(own, text_width, widths)
    if "proj.3.weight" in own:
        image_width = own["proj.0.weight"][1]
        return IPAdapterLayout(ProjectionKind.PERCEPTRON, image_width, text_width, widths, 0)
    rows, image_width = own["proj.weight"]
    tokens = rows // text_width
    return IPAdapterLayout(ProjectionKind.LINEAR, image_width, text_width, widths, tokens)


def projection_shapes(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The projection's shapes by bare names."""
    return {
        name.removeprefix(PROJECTION): shape
        for name, shape in shapes.items()
        if name.startswith(PROJECTION)
    }


def layer_numbers(shapes: Shapes) -> list[int]:
    """The numbers N of a file's layers, in their order."""
    pattern = re.compile(rf"{re.escape(LAYERS)}(\d+){re.escape(KEY)}")
    return sorted(int(found[1]) for name in shapes if (found := pattern.fullmatch(name)))


def reads_faces(projection: Shapes) -> bool:
    """Whether a projection, by bare names, reads what insightface tells of a face."""
    if any(name.startswith("perceiver_resampler.") for name in projection):
        return True
    if "latents" in projection:
        return projection.get("proj_in.weight", (0, 0))[-1] == FACE_WIDTH
    return "proj.0.weight" in projection and "proj.3.weight" not in projection


def projection_names(kind: ProjectionKind, name: str) -> tuple[str, ...]:
    """What a projection's tensor, by its bare name, is called in diffusers.

    Two names are of the two halves of one that holds keys and values.
    """
    if kind is ProjectionKind.LINEAR:
        return (name.replace("proj.", "image_embeds."),)
    for old, new in _PERCEPTRON if kind is ProjectionKind.PERCEPTRON else _RESAMPLER:
        renamed, count = re.subn(old, new, name)
        if count:
            return tuple(renamed.split("|"))
    return (name,)


_PERCEPTRON = (
    (r"^proj\.0\.", "ff.net.0.proj."),
    (r"^proj\.2\.", "ff.net.2."),
    (r"^proj\.3\.", "norm."),
)
_RESAMPLER = (
    (r"^layers\.(\d+)\.0\.norm1\.", r"layers.\1.ln0."),
    (r"^layers\.(\d+)\.0\.norm2\.", r"layers.\1.ln1."),
    (r"^layers\.(\d+)\.0\.to_q\.", r"layers.\1.attn.to_q."),
    (r"^layers\.(\d+)\.0\.to_kv\.weight", r"layers.\1.attn.to_k.weight|layers.\1.attn.to_v.weight"),
    (r"^layers\.(\d+)\.0\.to_out\.", r"layers.\1.attn.to_out.0."),
    (r"^layers\.(\d+)\.1\.0\.", r"layers.\1.ff.0."),
    (r"^layers\.(\d+)\.1\.1\.", r"layers.\1.ff.1.net.0.proj."),
    (r"^layers\.(\d+)\.1\.3\.", r"layers.\1.ff.1.net.2."),
)


def _resampler(own: Shapes, text_width: int, widths: tuple[int, ...]) -> IPAdapterLayout:
    _, tokens, hidden = own["latents"]
    return IPAdapterLayout(
        ProjectionKind.RESAMPLER,
        own["proj_in.weight"][1],
        text_width,
        widths,
        tokens,
        hidden_width=hidden,
        heads=own["layers.0.0.to_q.weight"][0] // HEAD,
        depth=count_entries(own, "layers."),
        widening=own["layers.0.1.1.weight"][0] / hidden,
    )
