"""CLIP's image encoder in transformers' names: its sizes, by its tensors. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

from generator.models.families.architecture import Shapes
from generator.models.families.ldm.sizes import Config, count_entries

PREFIX, PROJECTION = "vision_model.", "visual_projection.weight"
EMBEDDINGS = f"{PREFIX}embeddings."
PATCHES, POSITIONS = f"{EMBEDDINGS}patch_embedding.weight", f"{EMBEDDINGS}position_embedding.weight"
LAYERS = f"{PREFIX}encoder.layers."
POSITION_NUMBERS = f"{EMBEDDINGS}position_ids"  # which older files carry, and no network wants
USUAL_HEADS = 16  # of ViT-L/14, H/14 and bigG/14
SMALL_WIDTH, SMALL_HEAD = 1024, 64  # narrower ones have heads of 64 numbers
OF_OPENAI = (768, 1024)  # widths of OpenAI's own encoders, whose activation is another


@dataclass(frozen=True, slots=True)
class EncoderSizes:
    """What an image encoder tells of a picture."""

    patch_width: int  # numbers of each patch in its last but one layer
    picture_width: int  # of the whole picture's vector

    def width(self, *, patches: bool) -> int:
        """Numbers of each patch, or of the picture."""
        return self.patch_width if patches else self.picture_width


VIT_H, VIT_BIG_G = EncoderSizes(1280, 1024), EncoderSizes(1664, 1280)
KNOWN_ENCODERS: Mapping[EncoderSizes, str] = {
    VIT_H: "CLIP ViT-H/14",
    VIT_BIG_G: "CLIP ViT-bigG/14",
    EncoderSizes(1024, 768): "CLIP ViT-L/14",
}


def encoder_sizes(shapes: Shapes) -> EncoderSizes | None:
    """The widths of an image encoder; None for a file that holds none."""
    if len(shapes.get(PATCHES, ())) != 4 or len(shapes.get(PROJECTION, ())) != 2:
        return None
    return EncoderSizes(shapes[PATCHES][0], shapes[PROJECTION][0])


def network_names(shapes: Shapes) -> dict[str, str]:
    """The names of the encoder's own tensors in a file, which are those in transformers."""
    return {
        name: name
        for name in shapes
        if name.startswith((PREFIX, PROJECTION)) and name != POSITION_NUMBERS
    }


def vision_config(shapes: Shapes) -> Config:
    """The configuration of transformers' ``CLIPVisionConfig``."""
    width, channels, patch, _ = shapes[PATCHES]
    positions, _ = shapes[POSITIONS]
    return {
        "hidden_size": width,
        "num_channels": channels,
        "patch_size": patch,
        "image_size": isqrt(positions - 1) * patch,
        "intermediate_size": shapes[f"{LAYERS}0.mlp.fc1.weight"][0],
        "num_hidden_layers": count_entries(shapes, LAYERS),
        "num_attention_heads": USUAL_HEADS if width >= SMALL_WIDTH else max(width // SMALL_HEAD, 1),
        "projection_dim": shapes[PROJECTION][0],
        "hidden_act": "quick_gelu" if width in OF_OPENAI else "gelu",
    }
