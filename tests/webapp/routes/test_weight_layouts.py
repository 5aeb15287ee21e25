"""Weights in the layouts that people have, through the API: what is there is used, or told."""

import base64
import io
import json
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from generator.models.registry import Folders, Registry
from generator.request import GenerationRequest, Progress, Sampling, Seeds, Stop
from tests.conftest import ROOT
from tests.generator.models.vae_layouts import diffusers, usual
from tests.parity.compare import psnr
from tests.parity.service import run_service

if TYPE_CHECKING:
    from tests.parity.service import Service

DEFAULT = ROOT / "generator/default_checkpoint/easel-default.safetensors"
VAE = "first_stage_model."
SMALL = {"prompt": "a red circle", "steps": 1, "width": 64, "height": 64, "seed": 7}


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Service"]:
    """One that has a whole checkpoint, the same without its VAE, and that VAE as ``own``."""
    torch.set_num_threads(1)
    data = tmp_path_factory.mktemp("easel")
    for name in ("models/Stable-diffusion", "models/VAE", "models/hypernetworks", "models/Lora"):
        (data / name).mkdir(parents=True)
    (data / "embeddings").mkdir()
    tensors = load_file(DEFAULT)
    with safe_open(DEFAULT, "pt") as file:
        metadata = dict(file.metadata())
    bare = {n: t for n, t in tensors.items() if not n.startswith(VAE)}
    own = {n.removeprefix(VAE): t for n, t in tensors.items() if n.startswith(VAE)}
    shutil.copy(DEFAULT, data / "models/Stable-diffusion/whole.safetensors")
    save_file(bare, data / "models/Stable-diffusion/bare.safetensors", metadata)
    save_file(own, data / "models/VAE/own.safetensors", metadata)
    styles = "name,prompt,negative_prompt\nfar,seen in manyw,\n"
    (data / "styles.csv").write_text(styles)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("generator.models.scan.SETTLE_SECONDS", 0.0)
        with run_service(data, Registry(Folders.under(data))) as running:
            yield running


def request_body(checkpoint: str = "whole", **more: Any) -> dict[str, Any]:
    overrides = {"sd_model_checkpoint": checkpoint} | more.pop("override_settings", {})
    return SMALL | {"override_settings": overrides} | more


def draw(easel: "Service", route: str = "txt2img", **more: Any) -> tuple[Image.Image, Any]:
    """The picture, and ``info``."""
    answer = easel.post(f"/sdapi/v1/{route}", request_body(**more))
    assert answer.status == 200, answer.body
    picture = Image.open(io.BytesIO(base64.b64decode(answer.body["images"][0])))
    return picture, json.loads(answer.body["info"])


def refusal(easel: "Service", route: str = "txt2img", **more: Any) -> str:
    answer = easel.post(f"/sdapi/v1/{route}", request_body(**more))
    assert answer.status == 422, answer.body
    return str(answer.body["detail"])


def beside(easel: "Service", name: str) -> Path:
    """The VAE, put beside the checkpoint that lacks it."""
    path = easel.data_dir / "models/Stable-diffusion" / name
    shutil.copy(easel.data_dir / "models/VAE/own.safetensors", path)
    easel.registry.refresh()
    return path


def test_previews_of_a_checkpoint_without_vae(easel: "Service") -> None:
    path, seen = beside(easel, "bare.vae.safetensors"), []

    def look(_: Progress, preview: Callable[[], Image.Image] | None) -> Stop:
        seen.extend([preview().size] if preview else [])
        return Stop.NO

    request = GenerationRequest(
        "a cat", Seeds(1), checkpoint="bare", sampling=Sampling(steps=2), width=64, height=64
    )
    easel.engine.run(request, look)
    assert seen
    path.unlink()
    easel.registry.refresh()


def test_a_checkpoint_without_vae_draws_with_one_that_is_chosen(easel: "Service") -> None:
    wanted, _ = draw(easel)
    for settings in ({"sd_vae": "own"}, {"sd_vae": "own.safetensors"}):
        found, info = draw(easel, checkpoint="bare", override_settings=settings)
        assert psnr(found, wanted) > 60
        assert "VAE: own.safetensors" in info["infotexts"][0]
    told = refusal(easel, checkpoint="bare")
    assert "bare.vae.safetensors" in told
    assert "sd_vae" in told
    assert "models/VAE" in told
    assert draw(easel)[0].size == (64, 64)


@pytest.mark.parametrize("chosen", ["Automatic", "None"])
def test_a_checkpoint_without_vae_draws_with_the_one_beside_it(
    easel: "Service", chosen: str
) -> None:
    path = easel.data_dir / "models/Stable-diffusion/bare.vae.safetensors"
    shutil.copy(easel.data_dir / "models/VAE/own.safetensors", path)  # and nobody is told
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(picture, "PNG")
    start = {"init_images": [base64.b64encode(picture.getvalue()).decode()]}
    hires = {"enable_hr": True, "hr_scale": 2, "hr_upscaler": "Lanczos", "denoising_strength": 0.7}
    setting = {"sd_vae": chosen}
    try:
        for route, more in (("txt2img", {}), ("txt2img", hires), ("img2img", start)):
            found, _ = draw(easel, route, checkpoint="bare", override_settings=setting, **more)
            wanted, _ = draw(easel, route, override_settings={"sd_vae": "None"}, **more)
            assert psnr(found, wanted) > 60
    finally:
        path.unlink()
        easel.registry.refresh()
    assert "bare.vae.safetensors" in refusal(easel, "img2img", checkpoint="bare", **start)


def test_vaes_of_diffusers_draw_as_ours(easel: "Service") -> None:
    data = easel.data_dir
    own = load_file(data / "models/VAE/own.safetensors")
    with safe_open(DEFAULT, "pt") as file:
        metadata = dict(file.metadata())
    folder = data / "models/VAE/sd-vae-ft-mse"
    folder.mkdir()
    save_file(diffusers(own, False, False), folder / "diffusion_pytorch_model.safetensors")
    (folder / "config.json").write_text(metadata["easel.vae_config"])
    save_file(diffusers(own, True, True), data / "models/VAE/old.safetensors", metadata)
    torch.save({"state_dict": usual(own)}, data / "models/Stable-diffusion/bare.vae.pt")
    easel.registry.refresh()
    wanted, _ = draw(easel)
    for name, told in (("sd-vae-ft-mse", "sd-vae-ft-mse"), ("old", "old.safetensors")):
        found, info = draw(easel, override_settings={"sd_vae": name})
        assert psnr(found, wanted) > 60
        assert f"VAE: {told}" in info["infotexts"][0]
    assert "VAE: bare.vae.pt" in draw(easel, checkpoint="bare")[1]["infotexts"][0]
    (data / "models/Stable-diffusion/bare.vae.pt").unlink()
    listed = [each["model_name"] for each in easel.client.get("/sdapi/v1/sd-vae").get_json()]
    assert "sd-vae-ft-mse" in listed
    save_file({"a": torch.zeros(2)}, data / "models/VAE/none.safetensors")
    easel.registry.refresh()
    assert "none.safetensors" in refusal(easel, override_settings={"sd_vae": "none"})


QUERY = "input_blocks.3.1.transformer_blocks.0.attn1.to_q"
WORDS = "encoder.layers.0.self_attn.q_proj"
KEPT = {
    QUERY: f"model.diffusion_model.{QUERY}.weight",
    WORDS: f"cond_stage_model.transformer.text_model.{WORDS}.weight",
}
"""Two layers, and their tensors in a checkpoint."""


def pair(width: int) -> tuple[Tensor, Tensor]:
    """The factors of a LoRA that is seen."""
    draws = torch.Generator().manual_seed(width)
    return tuple(torch.randn(s, generator=draws) for s in ((2, width), (width, 2)))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("unet", "text"),
    [
        ("diffusion_model.", "text_encoders.clip_l.transformer.text_model."),
        ("model.diffusion_model.", "clip_l.transformer.text_model."),
        ("diffusion_model.", "cond_stage_model.transformer.text_model."),
    ],
)
def test_a_lora_is_applied_whole_as_if_merged_by_hand(
    easel: "Service", unet: str, text: str
) -> None:
    tensors = load_file(DEFAULT)
    factors, merged = {}, dict(tensors)
    for prefix, layer in ((unet, QUERY), (text, WORDS)):
        weight = tensors[KEPT[layer]].float()
        down, up = pair(weight.shape[0])
        factors |= {
            f"{prefix}{layer}.lora_down.weight": down,
            f"{prefix}{layer}.lora_up.weight": up,
        }
        merged[KEPT[layer]] = (weight + up @ down).half()
    save_file(factors, easel.data_dir / "models/Lora/mine.safetensors")
    with safe_open(DEFAULT, "pt") as file:
        path = easel.data_dir / "models/Stable-diffusion/merged.safetensors"
        save_file(merged, path, file.metadata())
    easel.registry.refresh()
    found, info = draw(easel, prompt="a red circle<lora:mine:1>", steps=2)
    wanted, _ = draw(easel, checkpoint="merged", steps=2)
    plain, _ = draw(easel, steps=2)
    assert psnr(found, wanted) > 35 > psnr(plain, wanted)
    assert "comments" not in info
    path.unlink()


def test_what_of_a_lora_fits_is_counted(easel: "Service") -> None:
    down, up = pair(64)
    good = {
        f"diffusion_model.{QUERY}.lora_A.weight": down,
        f"diffusion_model.{QUERY}.lora_B.weight": up,
    }
    bad = {"diffusion_model.strange.lora_A.weight": down.clone(), "who.knows": up.clone()}
    for name, content in (("half", good | bad), ("none", bad), ("odd", {"who.knows": up})):
        save_file(content, easel.data_dir / f"models/Lora/{name}.safetensors")
    easel.registry.refresh()
    _, info = draw(easel, prompt="a red circle<lora:half:1>")
    assert any("Lora half: 2 of its 4 keys are without effect" in c for c in info["comments"])
    told = refusal(easel, prompt="a red circle<lora:none:1>")
    assert "none.safetensors" in told
    assert "whole.safetensors" in told
    assert "none of its 1 tensors" in refusal(easel, prompt="a red circle<lora:odd:1>")


def embedding(easel: "Service", name: str, vectors: int) -> None:
    """An embedding of so many vectors, in either container."""
    path, content = easel.data_dir / "embeddings" / name, torch.full((vectors, 64), 0.05)
    if path.suffix == ".safetensors":
        save_file({"emb_params": content}, path)
    else:
        torch.save({"string_to_param": {"*": content}, "name": path.stem}, path)


HIRES = {"enable_hr": True, "hr_scale": 2, "hr_upscaler": "Latent", "denoising_strength": 0.7}


@pytest.mark.parametrize(("suffix", "vectors"), [("pt", 76), ("safetensors", 80)])
@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "a cat, manyw"},
        {"negative_prompt": "(manyw:1.2)"},
        HIRES | {"hr_prompt": "a [cat|manyw]"},
        HIRES | {"hr_negative_prompt": "manyw"},
        {"styles": ["far"]},
    ],
)
def test_an_embedding_wider_than_a_chunk_is_left_out_and_told(
    easel: "Service", body: dict[str, Any], vectors: int, suffix: str
) -> None:
    name = f"manyw.{suffix}"
    embedding(easel, name, vectors)
    easel.registry.refresh()
    try:
        _, info = draw(easel, **body)
    finally:
        (easel.data_dir / "embeddings" / name).unlink()
    assert "Embedding not used: manyw" in info["comments"]
    told = f"{name} holds {vectors} vectors; a prompt can use 1 to 75."
    assert told in info["comments"]


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_embeddings_up_to_a_whole_chunk_are_used(easel: "Service", suffix: str) -> None:
    for name, vectors in (("wholew", 75), ("nearw", 74), ("halfw", 40), ("thirdw", 30)):
        embedding(easel, f"{name}.{suffix}", vectors)
    easel.registry.refresh()
    plain, _ = draw(easel, prompt="a cat")
    for prompt in ("a cat, wholew, and a dog", "halfw thirdw halfw wholew nearw thirdw a cat"):
        picture, info = draw(easel, prompt=prompt, negative_prompt="wholew nearw")
        assert "comments" not in info
        assert psnr(picture, plain) < 60
    for path in (easel.data_dir / "embeddings").iterdir():
        path.unlink()


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_tags_words_and_options_find_files_by_either_form(
    easel: "Service", forms: tuple[str, str]
) -> None:
    disk, typed = (unicodedata.normalize(form, "Zürich") for form in forms)  # type: ignore[arg-type]
    down, up = pair(64)
    lora = {
        f"diffusion_model.{QUERY}.lora_A.weight": down,
        f"diffusion_model.{QUERY}.lora_B.weight": up,
    }
    layers = {f"linear{n}.{part}": torch.full(shape, 0.1) for n in (1, 2)
              for part, shape in (("weight", (64, 64)), ("bias", (64,)))}  # fmt: skip
    data = easel.data_dir
    made = [
        data / f"models/Lora/{disk}.safetensors", data / f"models/hypernetworks/{disk}.pt",
        data / f"embeddings/{disk}.pt", data / f"models/VAE/{disk}.safetensors",
        data / f"models/Stable-diffusion/{disk}.safetensors",
    ]  # fmt: skip
    save_file(lora, made[0])
    torch.save({64: (layers, layers)}, made[1])
    embedding(easel, made[2].name, 3)
    shutil.copy(data / "models/VAE/own.safetensors", made[3])
    shutil.copy(DEFAULT, made[4])
    easel.registry.refresh()
    prompt = f"a {typed} cat<lora:{typed}:1><hypernet:{typed}:1>"
    picture, info = draw(
        easel, checkpoint=typed, prompt=prompt, override_settings={"sd_vae": typed}
    )
    same, _ = draw(easel, checkpoint=disk, prompt=unicodedata.normalize(forms[0], prompt))
    plain, _ = draw(easel)
    listed = easel.client.get("/sdapi/v1/loras").get_json()
    for path in made:
        path.unlink()
    easel.registry.refresh()
    assert "comments" not in info
    assert info["infotexts"][0].startswith(prompt)
    assert f"VAE: {disk}.safetensors" in info["infotexts"][0]
    assert psnr(picture, same) > 60 > psnr(picture, plain)
    assert disk in [each["name"] for each in listed]


def test_an_unknown_activation_of_a_hypernetwork_is_named(easel: "Service") -> None:
    layers = {f"linear.{n}.{part}": torch.zeros(*shape) for n in (0, 1)
              for part, shape in (("weight", (64, 64)), ("bias", (64,)))}  # fmt: skip
    path = easel.data_dir / "models/hypernetworks/bent.pt"
    torch.save({64: (layers, layers), "activation_func": "sine"}, path)
    easel.registry.refresh()
    told = refusal(easel, prompt="a cat<hypernet:bent:1>")
    assert "'sine'" in told
    assert "softplus" in told
    old = {name.replace("linear.0", "linear1").replace("linear.1", "linear2"): tensor + 0.1
           for name, tensor in layers.items()}  # fmt: skip
    torch.save({64: (old, old), "name": "bent", "step": 7}, path)
    easel.registry.refresh()
    assert (
        psnr(draw(easel, prompt="a cat<hypernet:bent:1>")[0], draw(easel, prompt="a cat")[0]) < 60
    )
    torch.save(
        {1024: ({k: torch.zeros(*([1024] * t.dim())) for k, t in layers.items()},) * 2}, path
    )
    easel.registry.refresh()
    _, info = draw(easel, prompt="a cat<hypernet:bent:1>")
    assert any("bent" in told and "1024" in told for told in info["comments"])
