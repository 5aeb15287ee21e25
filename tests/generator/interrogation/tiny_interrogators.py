"""Tiny networks that describe pictures, made at random: they read and write as real ones do."""

from pathlib import Path
from typing import Any

from generator.interrogation import models  # noqa: F401 (prepares torchvision)

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] [ENC] a red house on green grass at night"
TAGS = ("1house", "grass_(plant)", "night", "rating:safe")


def make_captioner(folder: Path) -> Path:
    """A BLIP of one layer and 16 words, as transformers saves it."""
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration
    from transformers import BlipImageProcessor, BlipProcessor  # isort: skip

    folder.mkdir(parents=True)
    words = WORDS.split()
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    layer = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = layer | {
        "vocab_size": len(words), "encoder_hidden_size": 16, "intermediate_size": 16,
        "bos_token_id": 5, "eos_token_id": 3, "pad_token_id": 0, "sep_token_id": 3,
    }  # fmt: skip
    vision = layer | {"intermediate_size": 16, "image_size": 32, "patch_size": 16}
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=8)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    look = BlipImageProcessor(size={"height": 32, "width": 32})
    BlipProcessor(look, BertTokenizer(str(vocabulary))).save_pretrained(folder)
    return folder


def make_tagger(folder: Path, biases: tuple[float, ...] = (3.0, 1.0, -3.0, 3.0)) -> Path:
    """A vision transformer whose tags are as sure as ``biases`` (logits) for any picture."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=16, id2label=dict(enumerate(TAGS)),
    )  # fmt: skip
    model = ViTForImageClassification(config)
    torch.nn.init.zeros_(model.classifier.weight)
    model.classifier.bias.data = torch.tensor(biases)
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def make_florence(folder: Path) -> Path:
    """A Florence-2 of one layer a stage and 40 words, as transformers saves it."""
    from transformers import BartTokenizer, CLIPImageProcessor, Florence2Config
    from transformers import Florence2ForConditionalGeneration, Florence2Processor  # isort: skip

    words = "<s> <pad> </s> <unk> <mask> <image> a red house Describe in detail what is shown the"
    known = dict.fromkeys([*words.split(), *"abcdefghijklmnopqrstuvwxyzD.\u0120"])
    tokenizer = BartTokenizer(
        vocab={word: number for number, word in enumerate(known)},
        merges=[],
        extra_special_tokens={"image_token": "<image>"},
    )
    side = {"height": 64, "width": 64}
    look = CLIPImageProcessor(size=side, crop_size=side, do_center_crop=False)
    look.image_seq_length = 5
    layer = {"encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16}
    layer |= {key.replace("encoder", "decoder"): value for key, value in layer.items()}
    text = layer | {"model_type": "bart", "vocab_size": len(known), "d_model": 16}
    vision = {"depths": [1] * 4, "embed_dim": [8] * 4, "num_heads": [1] * 4, "num_groups": [1] * 4}
    config = Florence2Config(
        text_config=text | {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2},
        vision_config=vision | {"window_size": 2, "projection_dim": 16},
        image_token_id=tokenizer.image_token_id,
    )
    Florence2ForConditionalGeneration(config).save_pretrained(folder)
    Florence2Processor(look, tokenizer).save_pretrained(folder)
    return folder


DANBOORU_SHAPES = (
    (2, 3, 7, 7),
    *((8, 2, 1, 1), (2, 2, 1, 1), (2, 2, 3, 3), (8, 2, 1, 1)),  # the shortcut first
    *((2, 8, 1, 1), (2, 2, 3, 3), (8, 2, 1, 1)),
    *((2, 8, 1, 1), (2, 2, 3, 3), (8, 2, 1, 1), (8, 8, 1, 1)),  # the shortcut behind
    *((2, 8, 1, 1), (2, 2, 3, 3), (8, 2, 1, 1)),
    (4, 8, 1, 1),
)


def danbooru_weights(seed: int = 0) -> dict[str, Any]:
    """DeepDanbooru's layers as ``model-resnet_custom_v3.pt`` orders them, narrow and few."""
    import torch

    numbers = torch.Generator().manual_seed(seed)
    weights = {}
    for number, shape in enumerate(DANBOORU_SHAPES):
        weights[f"n_Conv_{number}.weight"] = torch.randn(shape, generator=numbers)
        if number + 1 < len(DANBOORU_SHAPES):
            weights[f"n_Conv_{number}.bias"] = torch.randn(shape[0], generator=numbers)
    return weights


def make_wd_tagger(folder: Path, side: int = 16) -> Path:
    """A WD tagger whose first tag is blue, its second red, its third a rating that is sure."""
    import numpy as np

    from tests.onnx_files import field, node, number, tensor, value

    kernel = np.zeros((side, side, 3, 3), np.float32)
    kernel[:, :, 0, 0] = kernel[:, :, 2, 1] = 10 / (255 * side * side)  # blue comes first
    bias = np.array([-5.0, -5.0, 5.0], np.float32)
    parts = (
        field(1, node("Flatten", ["input"], "flat")),
        field(1, node("MatMul", ["flat", "kernel"], "seen")),
        field(1, node("Add", ["seen", "bias"], "sums")),
        field(1, node("Sigmoid", ["sums"], "output")),
        field(2, b"tiny"),
        field(5, tensor("kernel", kernel.reshape(-1, 3), 1)),
        field(5, tensor("bias", bias, 1)),
        field(11, value("input", (1, side, side, 3))),
        field(12, value("output", (1, 3))),
    )
    folder.mkdir(parents=True)
    opset = field(8, number(2, 13))
    (folder / "model.onnx").write_bytes(number(1, 8) + opset + field(7, b"".join(parts)))
    rows = ("tag_id,name,category,count", "1,blue_sky,0,9", "2,red_(colour),0,9", "3,general,9,9")
    (folder / "selected_tags.csv").write_text("\n".join(rows))
    return folder
