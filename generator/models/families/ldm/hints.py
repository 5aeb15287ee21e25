"""Heads, norm groups and prediction: from metadata, markers or a ``.yaml`` beside the file."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from generator.errors import ModelUnreadable
from generator.models.families.family import LatentFormat, Prediction
from generator.models.families.ldm.folder_hints import folder_hints
from generator.models.families.ldm.sizes import Config, Hints
from generator.models.index import ModelFile, default_size
from generator.models.plain_files import read_object
from generator.models.yaml_files import YAML_ERRORS, read_yaml

V_MARKER, ZERO_SNR_MARKER = "v_pred", "ztsnr"  # empty tensors of checkpoints that predict v


def file_hints(file: ModelFile, latent: LatentFormat, tensors: Collection[str] = ()) -> Hints:
    """The hints for a checkpoint, be it a file or a folder; ``latent`` are its family's.

    ``tensors`` are the names in a file. Raises as :func:`read_hints` does.
    """
    if file.parts:
        return folder_hints(file.path, {each.part for each in file.parts}, latent)
    return read_hints(file.name, file.metadata, file.config, tensors)


def read_hints(
    name: str,
    metadata: Mapping[str, str],
    config: Path | None,
    tensors: Collection[str] = (),
) -> Hints:
    """The hints for the checkpoint ``name``; the ``.yaml`` wins, as in contract section 5.11.

    ``tensors`` are the names in the file, some of which are markers. ``metadata`` may carry
    ``easel.unet_config``, ``easel.vae_config`` and ``easel.text_config``, each the JSON of a
    network's configuration. Raises :class:`ModelUnreadable` on broken ones.
    """
    if config is not None:
        return _from_yaml(config)
    return Hints(
        unet=_read_json(name, metadata, "easel.unet_config"),
        vae=_read_json(name, metadata, "easel.vae_config"),
        text=_read_json(name, metadata, "easel.text_config"),
        prediction=_prediction_type(metadata.get("modelspec.prediction_type", ""))
        or (Prediction.V if V_MARKER in tensors else None),
        zero_terminal_snr=ZERO_SNR_MARKER in tensors,
        default_size=default_size(metadata),
    )


def vae_hints(file: ModelFile) -> Hints:
    """The hints for a VAE: of diffusers' ``config.json`` where it lies in such a folder."""
    if file.folder_of_diffusers is None:
        return read_hints(file.name, file.metadata, file.config)
    told = read_object(file.path.with_name("config.json"))
    return Hints(vae={key: value for key, value in told.items() if _is_size(value)})


def _is_size(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _prediction_type(named: str) -> Prediction | None:
    """By what LDM's ``.yaml`` and the modelspec call it; None for another word."""
    names = {"v": Prediction.V, "v_prediction": Prediction.V, "eps": Prediction.EPSILON}
    return names.get(named, Prediction.EPSILON if named == Prediction.EPSILON else None)


def _read_json(name: str, metadata: Mapping[str, str], key: str) -> Config:
    try:
        config = json.loads(metadata.get(key) or "{}")
    except (ValueError, RecursionError) as error:
        raise ModelUnreadable(f"{name}: its metadata {key!r} is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise ModelUnreadable(f"{name}: its metadata {key!r} is not a JSON object")
    return config


def _from_yaml(path: Path) -> Hints:
    """A configuration of LDM (``model.params.unet_config.params`` ...) or of its successor.

    That is Stability's generative-models, for SDXL: ``network_config``, ``denoiser_config``.
    """
    try:
        params = read_yaml(path)["model"]["params"]
        network = "network_config" if "network_config" in params else "unet_config"
        factor = params.get("scale_factor")
        return Hints(
            unet=_unet_hints(_params_of(params, network)),
            vae={} if factor is None else {"scaling_factor": float(factor)},
            prediction=_yaml_prediction(params),
        )
    except YAML_ERRORS as error:
        raise ModelUnreadable(
            f"{path.name} is no configuration of a Stable Diffusion checkpoint: {error!r}. "
            "Mend it, or remove it to let Easel read the sizes from the weights"
        ) from error


def _yaml_prediction(params: Mapping[str, Any]) -> Prediction:
    if "denoiser_config" in params:
        scaling = _params_of(params, "denoiser_config")["scaling_config"]["target"]
        return Prediction.V if str(scaling).endswith(".VScaling") else Prediction.EPSILON
    named = str(params.get("parameterization", "eps"))
    return _prediction_type(named) or Prediction.EPSILON


def _unet_hints(params: Mapping[str, Any]) -> Config:
    # diffusers calls the number of heads "attention_head_dim" for this network.
    if params.get("num_heads", -1) != -1:
        return {"attention_head_dim": int(params["num_heads"])}
    if params.get("num_head_channels", -1) != -1:
        width = int(params["model_channels"])
        head = int(params["num_head_channels"])
        return {"attention_head_dim": [width * int(m) // head for m in params["channel_mult"]]}
    return {}


def _params_of(params: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner_params: Mapping[str, Any] = params[name]["params"]
    return inner_params
