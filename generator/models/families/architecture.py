"""What a file of tensors may be: the families of networks, and parts that are no checkpoint."""

from collections.abc import Mapping
from enum import Enum

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor name -> sizes, as the header of a file tells them."""


class Architecture(Enum):
    """What a file of tensors is: a family of networks, or a part that is no checkpoint.

    Compare members; :attr:`label` is for messages.
    """

    SD1 = "Stable Diffusion 1.x"
    SD1_INPAINTING = "Stable Diffusion 1.x inpainting"
    SD1_EDITING = "InstructPix2Pix (Stable Diffusion 1.x)"
    SD2 = "Stable Diffusion 2"
    SD2_INPAINTING = "Stable Diffusion 2 inpainting"
    SD2_DEPTH = "Stable Diffusion 2 depth"
    SD2_UPSCALER = "Stable Diffusion 2 upscaler (x4)"
    SDXL = "Stable Diffusion XL"
    SDXL_INPAINTING = "Stable Diffusion XL inpainting"
    SDXL_EDITING = "InstructPix2Pix (Stable Diffusion XL)"
    SDXL_REFINER = "Stable Diffusion XL refiner"
    PLAYGROUND = "Playground v2.5 (Stable Diffusion XL)"
    COSXL = "CosXL (Stable Diffusion XL)"
    UNCLIP = "Stable Diffusion unCLIP"
    ALT_DIFFUSION = "AltDiffusion"
    STABLE_VIDEO = "Stable Video Diffusion"
    STABLE_CASCADE_B = "Stable Cascade, stage B"
    STABLE_CASCADE_C = "Stable Cascade, stage C"
    SD3 = "Stable Diffusion 3"
    SD35_MEDIUM = "Stable Diffusion 3.5 medium"
    SD35_LARGE = "Stable Diffusion 3.5 large"

    FLUX = "Flux"  # of that layout; which of them is not told
    FLUX_DEV = "Flux.1 dev or Kontext"  # equal in names and sizes
    FLUX_SCHNELL = "Flux.1 schnell"
    FLUX_FILL = "Flux.1 Fill"
    FLUX_CONTROL = "Flux.1 Canny or Depth"
    FLUX2 = "Flux.2"
    FLUX2_DEV = "Flux.2 dev"
    FLUX2_KLEIN = "Flux.2 klein"
    FLUX3_KLEIN = "Flux.3 klein"
    CHROMA = "Chroma"

    Z_IMAGE = "Z-Image"
    LUMINA2 = "Lumina Image 2"
    QWEN_IMAGE = "Qwen-Image or Qwen-Image-Edit"  # equal in names and sizes
    QWEN_IMAGE_EDIT_2511 = "Qwen-Image-Edit 2511"
    QWEN_IMAGE_21 = "Qwen-Image 2.1"
    KREA2 = "Krea 2"
    ANIMA = "Anima"
    HIDREAM = "HiDream"
    ERNIE_IMAGE = "Ernie Image"
    IDEOGRAM4 = "Ideogram 4"
    AURA_FLOW = "AuraFlow"
    PIXART = "PixArt"
    SANA = "Sana"
    COGVIEW4 = "CogView 4"
    HUNYUAN_DIT = "Hunyuan-DiT"
    KANDINSKY2 = "Kandinsky 2.2"
    KANDINSKY3 = "Kandinsky 3"
    DEEPFLOYD_IF = "DeepFloyd IF"

    WAN = "Wan (video)"
    LTX_VIDEO = "LTX-Video"
    HUNYUAN_VIDEO = "HunyuanVideo"
    MINIMAX_H3 = "MiniMax-H3 (video)"
    KANDINSKY5 = "Kandinsky 5 (video)"
    MOCHI = "Mochi (video)"
    COSMOS = "Cosmos (video)"

    OTHER_UNET = "a U-Net of another number of input channels"
    BARE_UNET = "a U-Net alone"
    DIFFUSERS_UNET = "a U-Net in diffusers' layout (not a single-file checkpoint)"
    MOTION_MODULE = "an AnimateDiff motion module"
    CONTROLNET = "a ControlNet"
    IP_ADAPTER_SD1 = "an IP-Adapter for Stable Diffusion 1.x"
    IP_ADAPTER_SDXL = "an IP-Adapter for Stable Diffusion XL"
    IP_ADAPTER = "an IP-Adapter"  # for another base
    LORA = "a LoRA"
    VAE = "a VAE"
    EMBEDDING = "an embedding (textual inversion)"
    TEXT_ENCODER = "a text encoder"
    OTHER = "another architecture"  # of the width of its text nothing more is known
    UNKNOWN = "no architecture that Easel knows"

    @property
    def label(self) -> str:
        """Its name in words, for people."""
        return self.value


IP_ADAPTERS = (
    Architecture.IP_ADAPTER_SD1, Architecture.IP_ADAPTER_SDXL, Architecture.IP_ADAPTER,
)  # fmt: skip
PARTS = frozenset(
    {
        Architecture.BARE_UNET, Architecture.DIFFUSERS_UNET, Architecture.MOTION_MODULE,
        Architecture.CONTROLNET, Architecture.LORA, Architecture.VAE, Architecture.EMBEDDING,
        Architecture.TEXT_ENCODER, Architecture.OTHER, Architecture.UNKNOWN, *IP_ADAPTERS,
    }
)  # fmt: skip
"""Those that are no family of networks: a part of one, or nothing known."""

NAMED_IN_GGUF: Mapping[str, Architecture] = {
    "sd1": Architecture.SD1,
    "sdxl": Architecture.SDXL,
    "sd3": Architecture.SD3,
    "flux": Architecture.FLUX,
    "aura": Architecture.AURA_FLOW,
    "hidream": Architecture.HIDREAM,
    "lumina2": Architecture.LUMINA2,
    "qwen_image": Architecture.QWEN_IMAGE,
    "wan": Architecture.WAN,
    "ltxv": Architecture.LTX_VIDEO,
    "hyvid": Architecture.HUNYUAN_VIDEO,
    "cosmos": Architecture.COSMOS,
    "t5": Architecture.TEXT_ENCODER,
    "t5encoder": Architecture.TEXT_ENCODER,
    "llama": Architecture.TEXT_ENCODER,
    "qwen2vl": Architecture.TEXT_ENCODER,
    "qwen3": Architecture.TEXT_ENCODER,
    "qwen3vl": Architecture.TEXT_ENCODER,
}
"""By ``general.architecture`` of a GGUF file, for one whose tensors do not tell."""

_BY_CONTEXT_WIDTH: Mapping[int, Architecture] = {
    768: Architecture.SD1,
    1024: Architecture.SD2,
    2048: Architecture.SDXL,
}


def architecture_by_context_width(width: int) -> Architecture:
    """The architecture whose cross-attention reads text of ``width`` numbers."""
    return _BY_CONTEXT_WIDTH.get(width, Architecture.OTHER)
