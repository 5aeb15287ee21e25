"""What one family of checkpoints declares: text encoders, latents, noise, added conditions.

A family is one page of declarations (``sd1.py``, ``sd2.py``, ``sdxl.py``); loading, encoding and
sampling read it and know no family by name. No torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from generator.models.families.architecture import Architecture, Shapes
from generator.models.families.lora_blocks import SD_BLOCKS, LoraBlocks

END = 49407  # CLIP's <|endoftext|>
PADDING = 0  # with which OpenCLIP fills a chunk behind its first END


class Prediction(StrEnum):
    """What a network was trained to predict (Salimans and Ho 2022, appendix D)."""

    EPSILON = "epsilon"
    V = "v_prediction"
    EDM = "edm"  # the network F of Karras et al. (2022), equation 7


class TextLayout(Enum):
    """How a text encoder's tensors are named in a single file."""

    CLIP = "transformers' CLIPTextModel"
    OPEN_CLIP = "OpenCLIP"


class ClipSkip(Enum):
    """When the option "Clip skip" chooses the state that is read."""

    ALWAYS = "always"
    BY_OPTION = "only under sdxl_clip_l_skip"
    NEVER = "never"


class AddedCondition(Enum):
    """The numbers that a U-Net reads beside the text, after the pooled vector."""

    NONE = "none"
    SIZE_AND_CROP = "height, width, crop top, crop left, target height, target width"
    SIZE_AND_SCORE = "height, width, crop top, crop left, aesthetic score"


@dataclass(frozen=True, slots=True)
class TextEncoderSpec:
    """One text encoder: where its tensors stand, and which of its states is read."""

    prefix: str  # of its tensors in a single file
    layout: TextLayout = TextLayout.CLIP
    skipped_layers: int = 0  # states before the last that is read; 1 is the penultimate
    folder_skipped_layers: int | None = None  # the same in a folder of diffusers, if it differs
    final_norm: bool = True  # whether the last layer's norm is applied to the state read
    pooled: bool = False  # gives a vector for the whole text, through ``text_projection``
    padding: int = END  # token behind the first END of a chunk
    clip_skip: ClipSkip = ClipSkip.ALWAYS
    lora_prefix: str = "lora_te_text_model_"  # of its layers in kohya's LoRA files
    activation: str = "quick_gelu"


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """A VAE's latents as the U-Net reads them: ``(z - shift) * scale``.

    ``(z - mean) * scale / deviation`` by channel, where these are told.
    """

    channels: int = 4
    factor: int = 8  # pixels a side of one cell
    scale: float = 0.18215
    shift: float = 0.0
    mean: tuple[float, ...] = ()  # of each channel
    deviation: tuple[float, ...] = ()  # of each channel, above 0


@dataclass(frozen=True, slots=True)
class NoiseTable:
    """Betas linear in their square root, over ``count`` timesteps."""

    start: float = 0.00085
    end: float = 0.012
    count: int = 1000


@dataclass(frozen=True, slots=True)
class EdmNoise:
    """Continuous noise levels with the preconditioning of Karras et al. (2022), table 1.

    The network reads ``ln(sigma) / 4`` in place of a timestep.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    sigma_data: float = 0.5  # standard deviation of the latents, as the U-Net reads them
    schedule: str = "Karras"  # what "Automatic" means where the sampler has no schedule of its own


@dataclass(frozen=True, slots=True)
class AttentionHeads:
    """How wide or how many: one of both is fixed in a family."""

    count: int | None = None
    width: int | None = None

    def of(self, channels: int) -> int:
        """Heads of a level of ``channels``."""
        if self.count is not None:
            return self.count
        assert self.width is not None
        return max(channels // self.width, 1)


@dataclass(frozen=True, slots=True)
class Family:
    """What the checkpoints of one kind have in common."""

    name: str  # "sd1"
    label: str  # for people
    architectures: frozenset[Architecture]  # by which a file is told (``detection``)
    text_encoders: tuple[TextEncoderSpec, ...]
    heads: AttentionHeads
    latent: LatentFormat = LatentFormat()
    noise: NoiseTable = NoiseTable()
    added: AddedCondition = AddedCondition.NONE
    notes_blank_picture: bool = True  # infotexts of inpainting tell its mask without a picture
    zeroes_empty_negative: bool = False  # an empty negative prompt is encoded as zeros
    sdxl_step_levels: bool = False  # Align Your Steps has a table of its own for SDXL
    cubes_style_fidelity: bool = False  # of reference pictures, which act so much more strongly
    probes_prediction: bool = False  # v-prediction shows in no tensor's name: the network is asked
    lends_adapters: frozenset[str] = frozenset()  # families whose LoRA are applied where they fit
    lora_blocks: LoraBlocks = SD_BLOCKS  # what lists of weights by block mean
    default_side: int = 512  # pixels that it was trained at
    rename: Callable[[str], str] | None = None  # a tensor's name -> its name in LDM's layout
    recognises: Callable[[Shapes], bool] | None = None  # of a plugin's family: told before ours
