"""Networks in folders as transformers saves them; taggers among them."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image

from generator.interrogation.describe import Describer
from generator.interrogation.requests import InterrogationRequest
from generator.interrogation.tags import tags_to_prompt
from generator.models import torchvision_ops
from generator.models.weights import read_tensors

torchvision_ops.prepare()  # before transformers, which imports torchvision

from transformers import (  # noqa: E402
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageClassification,
)
from transformers.utils import logging  # noqa: E402

PICKLE_FILE = "pytorch_model.bin"
LOCAL_ONLY = {"local_files_only": True, "trust_remote_code": False}


def load_tagger(folder: Path, device: torch.device) -> Describer:
    """A network that scores labels, each by itself."""
    model = load_network(AutoModelForImageClassification, folder, device)
    image_processor = AutoImageProcessor.from_pretrained(folder, **LOCAL_ONLY)
    labels = model.config.id2label

    def describe(picture: Image.Image, question: InterrogationRequest) -> str:
        pixels = image_processor(images=picture, return_tensors="pt")[
            "pixel_values"
        ]  # 1 3 height width
        scores = model(pixel_values=pixels.to(device)).logits[0].sigmoid().tolist()  # labels
        return tags_to_prompt({labels[i]: score for i, score in enumerate(scores)}, question.tags)

    return Describer(describe, model)


def load_network(kind: Any, folder: Path, device: torch.device) -> Any:
    """A network of ``folder``; weights in a pickle are read with an allow-list, never run.

    Raises ValueError where weights are missing: made up at random, they would describe nothing.
    """
    logging.disable_progress_bar()
    how = {"dtype": torch.float32, "output_loading_info": True}
    if any(folder.glob("*.safetensors")):
        model, loading_info = kind.from_pretrained(
            folder, use_safetensors=True, **how, **LOCAL_ONLY
        )
    else:
        config = AutoConfig.from_pretrained(folder, **LOCAL_ONLY)
        with torch.device("meta"):  # to learn its class; no numbers are made
            network_class = type(kind.from_config(config))
        weights = read_tensors(folder / PICKLE_FILE)
        model, loading_info = network_class.from_pretrained(
            None, config=config, state_dict=weights, **how
        )
    if loading_info["missing_keys"]:
        raise ValueError(f"its weights lack {min(loading_info['missing_keys'])}")
    return model.to(device).eval()
