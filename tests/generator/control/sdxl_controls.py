"""Tiny ControlNets for the tiny SDXL checkpoint, in the layouts that people have."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from generator.control.controlnets import ControlNetModel, ControlNetUnionModel
from generator.engine import Engine
from generator.models.checkpoint import load_checkpoint
from generator.models.families.ldm import keys, sizes
from generator.models.families.ldm.controlnet import HINT_LAYERS
from generator.models.kinds import ModelKind
from generator.models.registry import Folders, HashCache, Registry
from generator.models.weights import open_tensors, shapes_of
from tests.parity.recorded_xl import CHECKPOINTS, make_models

State = dict[str, Tensor]
CHECKPOINT = "tinyxl"
ZEROS = ("controlnet_down_blocks", "controlnet_mid_block", "controlnet_cond_embedding.conv_out")
FACTORED = ("to_q", "to_v", "in_layers.2", "proj_in", "label_emb.0.0", "input_blocks.0.0")
CPU = torch.device("cpu")


def make_checkpoints(data_dir: Path, *names: str) -> Path:
    """Write tiny checkpoints into a data directory; the path of the first."""
    make_models(names, data_dir / CHECKPOINTS)
    return data_dir / CHECKPOINTS / f"{names[0]}.safetensors"


def engine_over(data_dir: Path) -> Engine:
    torch.set_num_threads(1)
    return Engine(Registry(Folders.under(data_dir), HashCache(data_dir / "hashes.db")))


def controlnet_of(data_dir: Path) -> ControlNetModel:
    """A ControlNet that begins as a copy of the checkpoint's U-Net, and so changes nothing."""
    registry = Registry(Folders.under(data_dir))
    file = next(f for f in registry.index.files_of(ModelKind.CHECKPOINT) if f.stem == CHECKPOINT)
    unet = load_checkpoint(file, CPU, torch.float32).unet
    torch.manual_seed(0)
    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 16, 16))


def union_of(control: ControlNetModel, kinds: int) -> ControlNetUnionModel:
    """A ControlNet Union with the weights of ``control`` and random ones of its own."""
    width = control.config.block_out_channels[0]
    sizes = {key: size for key, size in control.config.items() if not key.startswith("_")}
    own = {"num_control_type": kinds, "num_trans_channel": width, "num_proj_channel": width}
    union = ControlNetUnionModel.from_config({**sizes, **own}).eval()
    union.load_state_dict(control.state_dict(), strict=False)
    state = dict(union.state_dict())
    union.load_state_dict(randomise(state, (*ZEROS, "spatial_ch_projs")))
    return union.requires_grad_(False)


def randomise(state: State, names: tuple[str, ...] = ZEROS) -> State:
    """The same tensors, but those that begin as zeros have random numbers."""
    draw = torch.Generator().manual_seed(3)
    return {
        name: torch.randn(tensor.shape, generator=draw) * 0.3 if name.startswith(names) else tensor
        for name, tensor in state.items()
    }


def to_original(state: State, checkpoint: Path) -> State:
    """The tensors of diffusers' ControlNet by the names of the original layout, no prefix."""
    shapes = shapes_of(open_tensors(checkpoint))
    unet = keys.unet_names(shapes, sizes.unet_layout(shapes))
    names = {new: old.removeprefix(sizes.UNET) for old, new in unet.items()}
    hints = {place: number for number, place in HINT_LAYERS.items()}
    return {names.get(name) or _original_name(name, hints): t for name, t in state.items()}


def _original_name(name: str, hints: dict[str, str]) -> str:
    rest, _, last = name.rpartition(".")
    if rest.startswith("controlnet_down_blocks."):
        return f"zero_convs.{rest.removeprefix('controlnet_down_blocks.')}.0.{last}"
    if rest == "controlnet_mid_block":
        return f"middle_block_out.0.{last}"
    return f"input_hint_block.{hints[rest.removeprefix('controlnet_cond_embedding.')]}.{last}"


def low_rank_of(original: State) -> State:
    """Factors for some layers of a ControlNet in the original layout, whole what no U-Net has."""
    draw = torch.Generator().manual_seed(5)
    lora: State = {"lora_controlnet": torch.zeros(0)}
    for name, tensor in original.items():
        stem = name.removesuffix(".weight")
        if name.startswith(("zero_convs.", "middle_block_out.", "input_hint_block.")):
            lora[name] = tensor
        elif stem.endswith(FACTORED) and tensor.ndim >= 2:
            rows, columns = tensor.shape[0], tensor[0].shape
            lora[f"{stem}.up"] = torch.randn(rows, 2, generator=draw) * 0.2
            lora[f"{stem}.down"] = torch.randn(2, *columns, generator=draw) * 0.2
        elif name.endswith("time_embed.0.bias"):
            lora[name] = tensor + 0.5
    return lora


def merge_by_hand(original: State, lora: State) -> State:
    """The ControlNet that a Control-LoRA stands for."""
    merged = dict(original)
    for name, tensor in lora.items():
        if name.endswith(".up"):
            stem = name.removesuffix(".up")
            down = lora[f"{stem}.down"]
            change = torch.einsum("or,ri->oi", tensor, down.reshape(len(down), -1))
            weight = original[f"{stem}.weight"]
            merged[f"{stem}.weight"] = weight + change.reshape(weight.shape)
        elif name in merged:
            merged[name] = tensor
    return merged


def save_control(data_dir: Path, name: str, state: State) -> None:
    folder = data_dir / "models/ControlNet"
    folder.mkdir(parents=True, exist_ok=True)
    whole = {key: tensor.detach().clone().contiguous() for key, tensor in state.items()}
    save_file(whole, folder / f"{name}.safetensors")
