"""What metadata, markers and a .yaml tell of a checkpoint beyond the shapes of its tensors."""

import json
from pathlib import Path

import pytest
import yaml

from generator.errors import ModelUnreadable
from generator.models.families.family import Prediction
from generator.models.families.ldm.hints import read_hints, vae_hints
from generator.models.families.ldm.sizes import Hints
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind

SCALING = "sgm.modules.diffusionmodules.denoiser_scaling"
V, EPS = Prediction.V, Prediction.EPSILON


def ldm_yaml(**params: object) -> dict[str, object]:
    """The part of ``v1-inference.yaml`` that is read."""
    return {"model": {"params": {"unet_config": {"params": {}}, **params}}}


def sgm_yaml(scaling: str, **network: object) -> dict[str, object]:
    """The part of ``sd_xl_base.yaml`` that is read."""
    denoiser = {"params": {"scaling_config": {"target": f"{SCALING}.{scaling}"}}}
    return {
        "model": {
            "params": {
                "scale_factor": 0.13025,
                "denoiser_config": denoiser,
                "network_config": {"params": network},
            }
        }
    }


def from_yaml(folder: Path, content: object, *tensors: str, **metadata: str) -> Hints:
    path = folder / "m.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return read_hints("m", metadata, path, tensors)


def model(path: Path, kind: ModelKind = ModelKind.VAE, **metadata: str) -> ModelFile:
    name = "/".join(path.parts[-2:]) if path.parent.name == "vae" else path.name
    return ModelFile(kind, name, path, 0, 0, 0, metadata=metadata)


def test_nothing_is_told_of_a_plain_file() -> None:
    assert read_hints("m", {}, None) == Hints()
    assert read_hints("m", {}, None, ["model.diffusion_model.out.2.weight"]) == Hints()


@pytest.mark.parametrize(
    ("tensors", "prediction", "zero"),
    [
        (["v_pred"], V, False),
        (["v_pred", "ztsnr"], V, True),
        (["ztsnr"], None, True),
        (["x.v_pred", "ztsnr.weight"], None, False),
    ],
)
def test_markers(tensors: list[str], prediction: Prediction | None, zero: bool) -> None:
    hints = read_hints("m", {}, None, tensors)
    assert (hints.prediction, hints.zero_terminal_snr) == (prediction, zero)


@pytest.mark.parametrize(
    ("word", "alone", "with_marker"),
    [
        ("v", V, V), ("v_prediction", V, V), ("eps", EPS, EPS), ("epsilon", EPS, EPS),
        ("", None, V), ("x0", None, V),
    ],
)  # fmt: skip
def test_metadata_goes_before_markers(
    word: str, alone: Prediction | None, with_marker: Prediction
) -> None:
    metadata = {"modelspec.prediction_type": word}
    assert read_hints("m", metadata, None).prediction is alone
    assert read_hints("m", metadata, None, ["v_pred"]).prediction is with_marker


def test_networks_in_metadata() -> None:
    metadata = {
        "easel.unet_config": json.dumps({"attention_head_dim": 4}),
        "easel.vae_config": json.dumps({"scaling_factor": 0.5}),
        "easel.text_config": json.dumps({"num_attention_heads": 2}),
    }
    hints = read_hints("m", metadata, None)
    assert hints.unet == {"attention_head_dim": 4}
    assert hints.vae == {"scaling_factor": 0.5}
    assert hints.text == {"num_attention_heads": 2}


@pytest.mark.parametrize("part", ["unet", "vae", "text"])
@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is not JSON"), ("[1]", "not a JSON object"), ("3", "not a JSON object"),
     ("[" * 100_000, "is not JSON")],
)  # fmt: skip
def test_broken_metadata_names_the_file_and_the_key(part: str, text: str, words: str) -> None:
    with pytest.raises(ModelUnreadable, match=rf"mine.*easel\.{part}_config.*{words}"):
        read_hints("mine", {f"easel.{part}_config": text}, None)


@pytest.mark.parametrize(
    ("metadata", "side"),
    [
        ({"modelspec.resolution": "1024x1024"}, 1024), ({"modelspec.resolution": "768"}, 768),
        ({"easel.default_size": "640", "modelspec.resolution": "512x512"}, 640),
        ({"modelspec.resolution": "large"}, None), ({"modelspec.resolution": "99999x1"}, None),
    ],
)  # fmt: skip
def test_the_side_that_it_was_trained_at(metadata: dict[str, str], side: int | None) -> None:
    assert read_hints("m", metadata, None).default_size == side


@pytest.mark.parametrize(("word", "prediction"), [("v", V), ("eps", EPS), ("x0", EPS)])
def test_ldms_yaml_names_the_prediction(tmp_path: Path, word: str, prediction: Prediction) -> None:
    assert from_yaml(tmp_path, ldm_yaml(parameterization=word)).prediction is prediction


def test_ldms_yaml_predicts_eps_where_it_names_nothing(tmp_path: Path) -> None:
    assert from_yaml(tmp_path, ldm_yaml()) == Hints(prediction=EPS)


@pytest.mark.parametrize(
    ("scaling", "prediction"),
    [("VScaling", V), ("EpsScaling", EPS), ("EDMScaling", EPS), ("NotVScaling", EPS)],
)
def test_generative_models_yaml(tmp_path: Path, scaling: str, prediction: Prediction) -> None:
    content = sgm_yaml(
        scaling, model_channels=320, num_head_channels=64, channel_mult=[1, 2, 4], num_heads=-1
    )
    hints = from_yaml(tmp_path, content)
    assert hints.prediction is prediction
    assert hints.vae == {"scaling_factor": pytest.approx(0.13025)}
    assert hints.unet == {"attention_head_dim": [5, 10, 20]}


@pytest.mark.parametrize(
    ("network", "heads"),
    [
        ({"num_heads": 8}, {"attention_head_dim": 8}),
        ({"num_heads": 8, "num_head_channels": 64, "model_channels": 64, "channel_mult": [1]},
         {"attention_head_dim": 8}),
        ({"num_head_channels": 64, "model_channels": 320, "channel_mult": [1, 2, 4, 4]},
         {"attention_head_dim": [5, 10, 20, 20]}),
        ({"num_heads": -1, "num_head_channels": -1}, {}),
        ({}, {}),
    ],
)  # fmt: skip
def test_heads_in_a_yaml(
    tmp_path: Path, network: dict[str, object], heads: dict[str, object]
) -> None:
    assert from_yaml(tmp_path, ldm_yaml(unet_config={"params": network})).unet == heads


@pytest.mark.parametrize(("factor", "told"), [(0.2, 0.2), (1, 1.0), ("0.3", 0.3)])
def test_a_yaml_tells_the_scale_of_latents(tmp_path: Path, factor: object, told: float) -> None:
    hints = from_yaml(tmp_path, ldm_yaml(scale_factor=factor))
    assert hints.vae == {"scaling_factor": pytest.approx(told)}


def test_a_yaml_wins_over_metadata_and_markers(tmp_path: Path) -> None:
    hints = from_yaml(
        tmp_path, ldm_yaml(parameterization="eps"), "v_pred",
        **{"modelspec.prediction_type": "v", "easel.unet_config": "{"},
    )  # fmt: skip
    assert hints.prediction is EPS
    assert hints.unet == {}


@pytest.mark.parametrize(
    "content",
    [
        "", "model: 3", "[", "model: {params: {}}", "model: {params: {unet_config: {}}}",
        "model: {params: {unet_config: {params: {num_heads: many}}}}",
        "model: {params: {unet_config: {params: {num_head_channels: 0, model_channels: 3,"
        " channel_mult: [1]}}}}",
        "model: {params: {scale_factor: [1], unet_config: {params: {}}}}",
        "model: {params: {denoiser_config: {params: {}}, network_config: {params: {}}}}",
        "a: &a [1]\nmodel: *a",
    ],
)  # fmt: skip
def test_a_broken_yaml_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(ModelUnreadable, match=r"m\.yaml is no configuration") as refusal:
        from_yaml(tmp_path, content)
    assert str(tmp_path) not in str(refusal.value)


def test_a_vae_in_a_folder_of_diffusers_is_told_by_its_config(tmp_path: Path) -> None:
    path = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    path.parent.mkdir()
    told = {
        "scaling_factor": 0.13025, "norm_num_groups": 32, "force_upcast": True, "shift_factor": 0,
        "latent_channels": -4, "_class_name": "AutoencoderKL", "block_out_channels": [1],
    }  # fmt: skip
    (path.parent / "config.json").write_text(json.dumps(told))
    assert vae_hints(model(path)).vae == {"scaling_factor": 0.13025, "norm_num_groups": 32}
    (path.parent / "config.json").unlink()
    assert vae_hints(model(path)) == Hints()


def test_a_single_vae_is_told_by_its_metadata(tmp_path: Path) -> None:
    file = model(tmp_path / "v.safetensors", **{"easel.vae_config": '{"norm_num_groups": 4}'})
    assert vae_hints(file).vae == {"norm_num_groups": 4}
