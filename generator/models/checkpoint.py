"""Loads a single-file checkpoint into its three networks, offline.

Configurations ship in the package (``families/``), sizes are read from the tensors' shapes, and
nothing is ever asked of the Hub.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models import torchvision_ops
from generator.models.drawable import (
    SHAPE_ERRORS,
    VAE_PREFIXES,
    check_architecture,
    explain_missing_tensors,
)
from generator.models.families.architecture import Shapes
from generator.models.families.detection import describe_architecture
from generator.models.families.family import (
    EdmNoise,
    Family,
    LatentFormat,
    Prediction,
    TextEncoderSpec,
    TextLayout,
)
from generator.models.families.ldm import keys, sizes
from generator.models.families.ldm.edm import read_edm
from generator.models.families.ldm.hints import file_hints, vae_hints
from generator.models.families.ldm.open_clip import rename_open_clip, rename_shapes
from generator.models.families.ldm.sizes import Hints
from generator.models.families.ldm.upsampling import use_original_upsampling
from generator.models.half_layers import HALVES, keeps_half_on, names_to_keep, widen_on_use
from generator.models.index import ModelFile
from generator.models.tensor_file import copy_tensor, rename_tensors
from generator.models.weights import open_checkpoint, open_tensors, shapes_of
from generator.prompt.text_encoder import TextEncoder

torchvision_ops.prepare()  # before diffusers and transformers, which import torchvision

from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: E402
from transformers import (  # noqa: E402
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
)

READERS = 2  # threads: one converts what it has read while the other waits for the disk
Network = TypeVar("Network", bound=nn.Module)
Tensors = Mapping[str, Tensor]


log = logging.getLogger(__name__)
USUAL_LATENT = LatentFormat()  # of Stable Diffusion 1 and 2
MOST_NUMBERS = 64  # of a marker
V_SHIFT = -1.0  # mean difference to its input below which a network predicts v


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The networks of one file, on their device, in evaluation mode."""

    file: ModelFile
    family: Family
    unet: UNet2DConditionModel  # (B,4|8|9,h,w), (B,), (B,77n,width) -> eps or v (B,4,h,w)
    own_vae: AutoencoderKL | None  # None: another file's has to be taken
    text_encoders: tuple[TextEncoder, ...]  # in the order in which the U-Net reads their vectors
    prediction: Prediction
    zero_terminal_snr: bool  # trained on a schedule that ends in pure noise
    default_size: int | None  # pixels a side, where the file says so
    latent: LatentFormat
    edm: EdmNoise | None = None  # its continuous noise levels; None: the family's table

    @property
    def text_width(self) -> int:
        """Numbers of a token's vector, of all text encoders together."""
        return sum(encoder.width for encoder in self.text_encoders)

    @property
    def vae(self) -> AutoencoderKL:
        """The file's own VAE. Raises :class:`ModelUnreadable` where none in it is whole."""
        if self.own_vae is None:
            raise ModelUnreadable(
                f"{self.file.name} holds no whole VAE, and none was found for it. Put one beside "
                f"it as {self.file.stem}.vae.safetensors, or put one into models/VAE and choose it "
                "as sd_vae"
            )
        return self.own_vae

    @property
    def is_inpainting(self) -> bool:
        """Whether it is for inpainting: looks at a mask and the masked picture."""
        return int(self.unet.config.in_channels) == 9

    @property
    def is_instruct_pix2pix(self) -> bool:
        """Whether it is InstructPix2Pix: looks at the picture to edit."""
        return int(self.unet.config.in_channels) == 8


def load_checkpoint(
    file: ModelFile,
    device: torch.device,
    dtype: torch.dtype,
    families: Sequence[Family] = (),
) -> Checkpoint:
    """Load ``file`` whole onto ``device`` as ``dtype``; ``families`` are plugins', asked first.

    A file without a whole VAE is loaded: another's may be taken for it. Raises
    :class:`ModelUnreadable` for a corrupt, truncated or otherwise incomplete file, and
    :class:`WrongArchitecture` for weights of another kind, naming both kinds.
    """
    read = open_checkpoint(file)
    family = check_architecture(file, shapes_of(read), families)
    tensors = _ldm_vae(rename_tensors(read, family.rename or keys.old_text_name))
    tensor_shapes = rename_shapes(shapes_of(tensors), family)
    hints = file_hints(file, family.latent, read.keys())
    numbers = partial(_read_numbers, read)
    edm = hints.edm or read_edm(file.name, read.keys(), numbers, family.latent)
    latent = edm.latent if edm else family.latent
    if latent.mean:  # its scale goes with its statistics, whatever a .yaml of its kin says
        hints = replace(hints, vae={**hints.vae, "scaling_factor": latent.scale})
    loader = NetworkLoader(file.name, tensors, device, dtype)
    with explain_missing_tensors(file, "U-Net and text encoder"):
        unet = loader.load(
            lambda: UNet2DConditionModel.from_config(
                sizes.unet_config(tensor_shapes, hints, family)
            ),
            keys.unet_names(tensor_shapes, sizes.unet_layout(tensor_shapes)),
        )
        use_original_upsampling(unet)
        return Checkpoint(
            file=file,
            family=family,
            unet=unet,
            own_vae=_own_vae(loader, tensor_shapes, hints, latent),
            text_encoders=tuple(
                _load_text_encoder(loader, tensor_shapes, own, spec)
                for spec, own in zip(*_specs_in(family, hints), strict=True)
            ),
            prediction=edm.prediction
            if edm
            else hints.prediction or _probe_prediction(unet, family),
            zero_terminal_snr=hints.zero_terminal_snr,
            default_size=hints.default_size,
            latent=latent,
            edm=edm.noise if edm else None,
        )


def _specs_in(family: Family, hints: Hints) -> tuple[Sequence[TextEncoderSpec], Sequence[Hints]]:
    """The family's text encoders as the file, or the folder, holds them, and hints for each."""
    specs = family.text_encoders
    if len(hints.texts) != len(specs):
        return specs, [hints] * len(specs)
    folder_specs = [
        spec
        if spec.folder_skipped_layers is None
        else replace(spec, skipped_layers=spec.folder_skipped_layers)
        for spec in specs
    ]
    return folder_specs, [replace(hints, text=own) for own in hints.texts]


def _read_numbers(tensors: Tensors, name: str) -> list[float]:
    """The numbers of a small tensor; none of a large one, which is no marker."""
    if math.prod(shapes_of(tensors)[name]) > MOST_NUMBERS:
        return []
    return [float(each) for each in tensors[name].float().flatten().tolist()]


def _split_in_three(tensor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value of one tensor."""
    return cast("tuple[Tensor, Tensor, Tensor]", tensor.chunk(3))


def _load_text_encoder(
    loader: "NetworkLoader", found: Shapes, hints: Hints, spec: TextEncoderSpec
) -> TextEncoder:
    kind = CLIPTextModelWithProjection if spec.pooled else CLIPTextModel
    if spec.layout is TextLayout.OPEN_CLIP:
        names = [name for name in loader.tensors if name.startswith(spec.prefix)]
        with ThreadPoolExecutor(READERS) as readers:
            own = dict(zip(names, readers.map(loader.tensors.__getitem__, names), strict=True))
        renamed = rename_open_clip(own, spec, _split_in_three, torch.t)
        loader = replace(loader, tensors=renamed, owns_tensors=True)
    model = loader.load(
        lambda: kind(CLIPTextConfig(**sizes.text_config(found, hints, spec))),
        keys.text_names(found, spec),
    )
    return TextEncoder(model, spec)


def _probe_prediction(unet: UNet2DConditionModel, family: Family) -> Prediction:
    """What a network predicts whose file does not say it: it is shown grey as pure noise.

    One that predicts eps answers about its input there, one that predicts v about minus the clean
    latent (contract section 5.11).
    """
    if not family.probes_prediction or unet.config.in_channels != family.latent.channels:
        return Prediction.EPSILON
    options = {"device": unet.device, "dtype": unet.dtype}
    grey = torch.full((1, family.latent.channels, 8, 8), 0.5, **options)
    text = torch.full((1, 2, unet.config.cross_attention_dim), 0.5, **options)
    with torch.no_grad():
        answer = unet(grey, torch.tensor([family.noise.count - 1], device=unet.device), text).sample
    return Prediction.V if float((answer - grey).float().mean()) < V_SHIFT else Prediction.EPSILON


def load_vae(
    file: ModelFile, device: torch.device, dtype: torch.dtype, latent: LatentFormat = USUAL_LATENT
) -> AutoencoderKL:
    """Load a VAE of its own, or the one in a whole checkpoint; by LDM's names or diffusers'.

    ``latent`` is how the U-Net that it is for reads latents.

    Raises as :func:`load_checkpoint` does.
    """
    file_tensors = open_tensors(file.path, file.kept_in)
    bare = not any(name.startswith(VAE_PREFIXES) for name in file_tensors)
    tensors = _ldm_vae(
        rename_tensors(file_tensors, lambda name: f"{sizes.VAE}{name}" if bare else name)
    )
    tensor_shapes = shapes_of(tensors)
    if f"{sizes.VAE}decoder.conv_in.weight" not in tensor_shapes:
        raise _no_vae(file, describe_architecture(shapes_of(file_tensors)))
    with explain_missing_tensors(file, "all tensors of a VAE"):
        channels = sizes.vae_config(tensor_shapes, Hints(), latent)["latent_channels"]
        if channels != latent.channels:
            raise _no_vae(file, f"a VAE whose latents have {channels} channels")
        return _fill_vae(
            NetworkLoader(file.name, tensors, device, dtype), tensor_shapes, vae_hints(file), latent
        )


def _no_vae(file: ModelFile, found: str) -> WrongArchitecture:
    return WrongArchitecture(
        f"{file.name} was chosen as VAE, but it is {found}. "
        "Choose a file that holds a VAE of Stable Diffusion"
    )


def _own_vae(
    place: "NetworkLoader", found: Shapes, hints: Hints, latent: LatentFormat
) -> AutoencoderKL | None:
    """The VAE inside a checkpoint; None where it is not there, or not whole."""
    if not any(name.startswith(sizes.VAE) for name in found):
        return None
    try:
        return _fill_vae(place, found, hints, latent)
    except (ModelUnreadable, *SHAPE_ERRORS, LookupError, StopIteration) as error:
        log.warning("The VAE inside %s cannot be used: %s", place.name, error)
        return None


def _fill_vae(
    place: "NetworkLoader", found: Shapes, hints: Hints, latent: LatentFormat
) -> AutoencoderKL:
    return place.load(
        lambda: AutoencoderKL.from_config(sizes.vae_config(found, hints, latent)),
        keys.vae_names(found),
    )


def _ldm_vae(tensors: Tensors) -> Tensors:
    """``tensors`` with those of a VAE below LDM's prefix and by LDM's names."""
    own = {
        name: name.removeprefix(prefix)
        for prefix in VAE_PREFIXES
        for name in tensors
        if name.startswith(prefix)
    }
    renamed = keys.ldm_vae_names(own.values())
    return rename_tensors(
        tensors, lambda name: f"{sizes.VAE}{renamed[own[name]]}" if name in own else name
    )


@dataclass(frozen=True, slots=True)
class NetworkLoader:
    """Builds a network from named tensors on a device, to compute in one dtype.

    On the CPU large weights of half precision stay as they are, see ``half_layers``.
    """

    name: str
    tensors: Tensors
    device: torch.device
    dtype: torch.dtype
    owns_tensors: bool = False  # nobody else holds them: what fits as it is needs no copy

    def load(self, build: Callable[[], Network], names: Mapping[str, str]) -> Network:
        """Build the network without memory of its own, then hand it copies of the tensors."""
        with torch.device("meta"):
            network = build()
        wanted = network.state_dict()
        shapes = [wanted[new].shape if new in wanted else None for new in names.values()]
        keeps_half = keeps_half_on(self.device, self.dtype)
        kept = names_to_keep(network) if keeps_half else frozenset()
        types = [None if new in kept else self.dtype for new in names.values()]
        with ThreadPoolExecutor(READERS) as readers:
            copies = readers.map(self._copy, names, shapes, types)
            state = dict(zip(names.values(), copies, strict=True))
        try:
            network.load_state_dict(state, strict=True, assign=True)
        except RuntimeError as error:
            raise ModelUnreadable(
                f"{self.name}: its tensors do not fit: they have names or sizes of another network"
            ) from error
        if kept:
            widen_on_use(network, self.dtype)
        _fill_position_ids(network, self.device)
        return network.eval().requires_grad_(False)

    def _copy(self, name: str, shape: torch.Size | None, dtype: torch.dtype | None) -> Tensor:
        """A tensor of the file; None as ``dtype``: as it is there, if that is half precision."""
        if self.owns_tensors:
            copied = self.tensors[name].to(self.device, dtype)
        else:
            copied = copy_tensor(self.tensors, name, self.device, dtype)
        if dtype is None and copied.dtype not in HALVES:
            copied = copied.to(self.dtype)
        if shape is None or copied.shape == shape or _sides(copied.shape) != _sides(shape):
            return copied
        return copied.reshape(shape)  # the VAE's attention: 1x1 convolutions are now linear


def _sides(shape: torch.Size) -> list[int]:
    return [side for side in shape if side != 1]


def _fill_position_ids(network: nn.Module, device: torch.device) -> None:
    """Positions are a buffer that no file carries; the meta device left it empty."""
    for part in network.modules():
        positions = getattr(part, "position_embedding", None)
        if isinstance(positions, nn.Embedding):
            numbers = torch.arange(positions.num_embeddings, device=device)
            part.position_ids = numbers[None]  # (1, 77)
