"""Folders of diffusers, made by diffusers and transformers of single-file checkpoints."""

import json
from pathlib import Path

import torch

from generator.models.checkpoint import Checkpoint, load_checkpoint
from generator.models.families.family import Prediction
from generator.models.index import ModelFile

PIPELINES = {"sd1": "StableDiffusionPipeline", "sd2": "StableDiffusionPipeline"}
XL = "StableDiffusionXLPipeline"


def save_folder(
    file: ModelFile, folder: Path, *, variant: str | None = None, shard: str = "10GB"
) -> Checkpoint:
    """Write the checkpoint ``file`` as a folder; ``shard`` is how large its files may be."""
    half = torch.float16 if variant == "fp16" else torch.float32
    checkpoint = load_checkpoint(file, torch.device("cpu"), half)
    sharded = {"safe_serialization": True, "max_shard_size": shard}
    checkpoint.unet.save_pretrained(folder / "unet", variant=variant, **sharded)
    checkpoint.vae.save_pretrained(folder / "vae", variant=variant)
    index = {
        "_class_name": PIPELINES.get(checkpoint.family.name, XL),
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "safety_checker": [None, None],
        "text_encoder": [None, None],
    }
    for encoder in checkpoint.text_encoders:
        network = encoder.model
        part = "text_encoder_2" if encoder.spec.pooled else "text_encoder"
        if checkpoint.family.name == "sd2":  # diffusers leaves the layer out that nobody reads
            inner = getattr(network, "text_model", network)
            inner.encoder.layers = inner.encoder.layers[:-1]
            network.config.num_hidden_layers -= 1
        network.save_pretrained(folder / part, variant=variant)
        index[part] = ["transformers", type(network).__name__]
    is_v = checkpoint.prediction is Prediction.V
    write_json(
        folder / "scheduler/scheduler_config.json",
        {
            "_class_name": "EulerDiscreteScheduler",
            "prediction_type": "v_prediction" if is_v else "epsilon",
            "rescale_betas_zero_snr": checkpoint.zero_terminal_snr,
        },
    )
    write_json(folder / "model_index.json", index)
    return checkpoint


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
