"""Tiny networks that describe pictures, made at random: they read and write as real ones do."""

from pathlib import Path

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
