"""Prompt expansion with a local transformers model, causal or encoder-decoder."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from generator.models import torchvision_ops
from generator.reasons import reason_of
from plugins.beautiful_prompt.wishes import Manner

torchvision_ops.prepare()  # before transformers, which imports torchvision
from transformers import (  # noqa: E402
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    StoppingCriteria,
    StoppingCriteriaList,
)

Tell = Callable[[float, str], bool]
TOGETHER = 5  # prompts written at once: memory grows with them, time hardly


@dataclass(frozen=True, slots=True, eq=False)
class Writer:
    """A loaded prompt model with its tokenizer."""

    folder: Path
    network: Any
    tokenizer: Any
    translates: bool  # encoder and decoder: the answer does not repeat the question

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        found: torch.device = self.network.device
        return found


def load_writer(folder: Path, device: str) -> Writer:
    """Read a folder: safetensors, or ``pytorch_model.bin`` by ``weights_only``; no code of it runs.

    Raises ``ValueError`` telling what is wrong with the folder.
    """
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(folder, **local)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        network = kind.from_pretrained(folder, config=config, dtype=_dtype(device), **local)
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"The model {folder.name!r} cannot be read: {reason_of(error)}") from error
    return Writer(folder, network.eval().to(device), tokenizer, bool(config.is_encoder_decoder))


def _dtype(device: str) -> torch.dtype:
    return torch.float16 if device.startswith("cuda") else torch.float32


def write_prompts(
    writer: Writer, prompt: str, manner: Manner, count: int, seed: int, tell: Tell
) -> list[str]:
    """``count`` prompts; those that were finished when ``tell`` says that nobody waits."""
    found: list[str] = []
    while len(found) < count:
        batch = min(TOGETHER, count - len(found))
        watch = _Watch(tell, len(found), batch, count, manner.max_length)
        written = _written(writer, prompt, manner, batch, seed + len(found), watch)
        if watch.cancelled:
            break
        found += written
    return found


@torch.inference_mode()
def _written(
    writer: Writer, prompt: str, manner: Manner, batch: int, seed: int, watch: "_Watch"
) -> list[str]:
    asked = writer.tokenizer(manner.question(prompt), return_tensors="pt").to(writer.device)
    length = asked["input_ids"].shape[1]  # (1, length)
    longest = manner.max_length if writer.translates else max(manner.max_length, length + 8)
    with torch.random.fork_rng(devices=_devices(writer.device)):
        torch.manual_seed(seed)
        rows = writer.network.generate(
            input_ids=asked["input_ids"],
            attention_mask=asked["attention_mask"],
            do_sample=True,
            num_return_sequences=batch,
            max_length=longest,
            temperature=manner.temperature,
            top_k=manner.top_k,
            top_p=manner.top_p,
            repetition_penalty=manner.repetition_penalty,
            pad_token_id=_padding(writer.tokenizer),
            stopping_criteria=StoppingCriteriaList([watch]),
        )  # (batch, up to longest)
    start = 0 if writer.translates or manner.continues else length
    return [
        _cleaned(text)
        for text in writer.tokenizer.batch_decode(rows[:, start:], skip_special_tokens=True)
    ]


def _devices(device: torch.device) -> Sequence[int]:
    return [device.index or 0] if device.type == "cuda" else []


def _padding(tokenizer: Any) -> int:
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0)


def _cleaned(text: str) -> str:
    return " ".join(text.split()).strip(" ,")


class _Watch(StoppingCriteria):
    """Tells how far the writing is, and stops it when nobody waits for it."""

    def __init__(self, tell: Tell, done: int, batch: int, count: int, longest: int) -> None:
        self.tell = tell
        self.done, self.batch, self.count, self.longest = done, batch, count, longest
        self.cancelled = False

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        share = min(input_ids.shape[1] / self.longest, 1.0)
        whole = (self.done + share * self.batch) / self.count
        if not self.cancelled and not self.tell(whole, f"{self.done} of {self.count} prompts"):
            self.cancelled = True
        return torch.full((len(input_ids),), self.cancelled, device=input_ids.device)


class Shelf:
    """Cache of one loaded prompt model."""

    def __init__(self) -> None:
        self.writer: Writer | None = None

    def take(self, folder: Path, device: str) -> Writer:
        """The model of a folder, read when another lies here. Raises as :func:`load_writer`."""
        if self.writer is None or (self.writer.folder, str(self.writer.device)) != (folder, device):
            self.drop()
            self.writer = load_writer(folder, device)
        return self.writer

    def drop(self) -> None:
        """Unload the model."""
        self.writer = None
        gc.collect()
