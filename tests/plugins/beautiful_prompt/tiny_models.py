"""Language models of a few numbers, made on the spot: they write nonsense, by the real road."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from generator.models import torchvision_ops

torchvision_ops.prepare()  # before transformers
from transformers import (  # noqa: E402
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes as tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "</s>": 1, **{c: n for n, c in enumerate(alphabet, start=2)}}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="</s>"
    )


def make_model(folder: Path, kind: str) -> Path:
    """A folder of transformers: "bloom", "gpt2" or "t5"."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    size = len(tokenizer)
    ends = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1}
    if kind == "bloom":
        bloom = BloomConfig(vocab_size=size, hidden_size=64, n_layer=2, n_head=2, **ends)
        network = BloomForCausalLM(bloom)
    elif kind == "gpt2":
        gpt = GPT2Config(vocab_size=size, n_embd=64, n_layer=2, n_head=2, n_positions=512, **ends)
        network = GPT2LMHeadModel(gpt)
    else:
        t5 = T5Config(
            vocab_size=size,
            d_model=32,
            d_kv=16,
            d_ff=64,
            num_layers=1,
            num_heads=2,
            decoder_start_token_id=0,
            pad_token_id=0,
            eos_token_id=1,
        )
        network = T5ForConditionalGeneration(t5)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
