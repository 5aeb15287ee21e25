"""The kind of map that a ControlNet Union is told, and its network."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from generator.control.control_types import CONTROL_TYPES, control_type_of
from generator.control.controlnets import ControlNetModel, load_controlnet
from generator.control.modules import find_module
from generator.models.families.ldm.controlnet import ControlKind
from tests.generator.control.conftest import SIZES, model_file
from tests.generator.control.sdxl_controls import CPU, union_of

ADDED = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 16 + 6 * 256,
}


@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("openpose_full", 0),
        ("depth_anything_v2", 1),
        ("softedge_teed", 2),
        ("scribble_xdog", 2),
        ("canny", 3),
        ("lineart_anime", 3),
        ("mlsd", 3),
        ("normal_bae", 4),
        ("oneformer_coco", 5),
        ("tile_resample", 6),
        ("inpaint_only", 7),
        ("none", None),
    ],
)
def test_a_module_tells_the_kind_of_its_maps(module: str, number: int | None) -> None:
    found = find_module(module)
    assert found is not None
    assert control_type_of("Unknown", found) == number
    assert control_type_of("Depth", found) == CONTROL_TYPES.index("Depth") == 1


def test_a_union_is_read_as_it_was_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {**SIZES, "attention_head_dim": [1, 1, 1, 1]}  # SDXL's heads are 64 wide
    union = union_of(ControlNetModel(**sizes, **ADDED), 8)
    path = tmp_path / "union.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in union.state_dict().items()}, path)
    loaded = load_controlnet(replace(model_file(), path=path), CPU, torch.float32)
    assert loaded.kind is ControlKind.UNION
    assert loaded.control_types == 8
    x, t, context = torch.randn(2, 4, 8, 8), torch.tensor([7.0, 7.0]), torch.randn(2, 77, 16)
    hint, vectors = torch.rand(1, 3, 64, 64), torch.randn(2, 16 + 6)
    types = torch.nn.functional.one_hot(torch.tensor([3, 3]), 8).float()
    with torch.no_grad():
        down, middle = union(
            x,
            t,
            context,
            [hint.expand(2, -1, -1, -1)],
            types,
            [3],
            added_cond_kwargs={"text_embeds": vectors[:, :16], "time_ids": vectors[:, 16:]},
            return_dict=False,
        )
        found = loaded.predict_residuals(x, t, context, hint, vectors, 3)
    for own, expected in zip(found, (*down, middle), strict=True):
        assert torch.allclose(own, expected, atol=1e-5)
