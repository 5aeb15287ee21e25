"""A Control-LoRA with the weights of the checkpoint that it steers."""

from pathlib import Path

import pytest
import torch

from generator.control.control_lora import merge
from generator.errors import WrongArchitecture
from generator.models.families.ldm.sizes import UNET
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.residency import Residency, ResidentKind

CONV_IN = "input_blocks.0.0.weight"


def file(name: str, inode: int = 1) -> ModelFile:
    return ModelFile(ModelKind.CONTROLNET, name, Path("/none") / name, 1, 1, inode)


def test_an_inpainting_checkpoint_lends_the_channels_of_latents() -> None:
    unet = {
        f"{UNET}{CONV_IN}": torch.ones(8, 9, 3, 3),
        f"{UNET}time_embed.0.weight": torch.ones(4, 4),
        f"{UNET}out.2.weight": torch.ones(4, 8, 3, 3),
        "first_stage_model.decoder.conv_in.weight": torch.ones(1),
    }
    own = {
        "lora_controlnet": torch.zeros(0),
        "input_blocks.0.0.up": torch.ones(8, 2, 1, 1),
        "input_blocks.0.0.down": torch.ones(2, 4, 3, 3),
        "zero_convs.0.0.weight": torch.ones(8, 8, 1, 1),
    }
    merged = merge(file("lora"), own, file("base"), unet)
    assert set(merged) == {CONV_IN, "time_embed.0.weight", "zero_convs.0.0.weight"}
    assert torch.equal(merged[CONV_IN], torch.full((8, 4, 3, 3), 3.0))
    assert torch.equal(merged["time_embed.0.weight"], torch.ones(4, 4))
    assert merged.shapes == {name: tuple(tensor.shape) for name, tensor in merged.items()}
    del own["input_blocks.0.0.down"]
    with pytest.raises(WrongArchitecture, match=r"lora does not fit the checkpoint base"):
        merge(file("lora"), own, file("base"), unet)


def test_one_network_is_kept_a_checkpoint() -> None:
    kind, lora = ResidentKind.CONTROLNET, file("lora")
    residency = Residency(lambda: 1000)
    for base in ("a", "b"):
        residency.make_room(kind, lora, 1, file(base))
        residency.add(kind, lora, f"with {base}", 1, file(base))
    assert residency.find(kind, lora, file("a")) == "with a"
    assert residency.find(kind, lora, file("b")) == "with b"
    assert residency.find(kind, lora) is None
    replaced = file("a", inode=2)
    assert residency.find(kind, lora, replaced) is None
    residency.make_room(kind, lora, 1, replaced)
    assert residency.bytes_of(kind) == 1
    residency.make_room(kind, file("lora", inode=2), 1, file("b"))
    assert residency.bytes_of(kind) == 0
