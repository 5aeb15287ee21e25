"""Attention heads and norm groups, from metadata or a ``.yaml`` beside the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.errors import ModelUnreadable
from generator.models.families.sd1.sizes import Config, Hints
from generator.models.index import ModelFile, default_size
from generator.models.plain_files import read_object
from generator.models.yaml_files import YAML_ERRORS, read_yaml


def read_hints(name: str, metadata: Mapping[str, str], config: Path | None) -> Hints:
    """The hints for the checkpoint ``name``; the ``.yaml`` wins, as in contract section 5.11.

    ``metadata`` may carry ``easel.unet_config``, ``easel.vae_config`` and ``easel.text_config``,
    each the JSON of a network's configuration. Raises :class:`ModelUnreadable` on broken ones.
    """
    if config is not None:
        return _from_yaml(config)
    return Hints(
        unet=_read_json(name, metadata, "easel.unet_config"),
        vae=_read_json(name, metadata, "easel.vae_config"),
        text=_read_json(name, metadata, "easel.text_config"),
        prediction=_prediction_type(metadata.get("modelspec.prediction_type", "")),
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


def _prediction_type(named: str) -> str:
    return "v_prediction" if named in ("v", "v_prediction") else "epsilon"


def _read_json(name: str, metadata: Mapping[str, str], key: str) -> Config:
    try:
        config = json.loads(metadata.get(key) or "{}")
    except (ValueError, RecursionError) as error:
        raise ModelUnreadable(f"{name}: its metadata {key!r} is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise ModelUnreadable(f"{name}: its metadata {key!r} is not a JSON object")
    return config


def _from_yaml(path: Path) -> Hints:
    """An LDM configuration (``model.params.unet_config.params`` ...)."""
    try:
        params = read_yaml(path)["model"]["params"]
        return Hints(
            unet=_unet_hints(_params_of(params, "unet_config")),
            vae={"scaling_factor": float(params.get("scale_factor", 0.18215))},
            prediction=_prediction_type(str(params.get("parameterization", "eps"))),
        )
    except YAML_ERRORS as error:
        raise ModelUnreadable(
            f"{path.name} is no configuration of a Stable Diffusion checkpoint: {error!r}. "
            "Mend it, or remove it to let Easel read the sizes from the weights"
        ) from error


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
