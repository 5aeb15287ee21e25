"""Prompt expansion with a local transformers model, causal or encoder-decoder."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from generator.models import torchvision_ops
from generator.reasons import reason_of
from plugins.beautiful_prompt.prompt_request import PromptModelSettings

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
MAX_BATCH = 5  # prompts written at once: memory grows with them, time hardly


@dataclass(frozen=True, slots=True, eq=False)
class PromptModel:
    """A loaded prompt model with its tokenizer."""

    folder: Path
    network: Any
    tokenizer: Any
    is_encoder_decoder: bool  # encoder and decoder: the answer does not repeat the question

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        torch_device: torch.device = self.network.device
        return torch_device


def load_prompt_model(folder: Path, device: str) -> PromptModel:
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
    return PromptModel(
        folder, network.eval().to(device), tokenizer, bool(config.is_encoder_decoder)
    )


def _dtype(device: str) -> torch.dtype:
    return torch.float16 if device.startswith("cuda") else torch.float32


def write_prompts(
    model: PromptModel,
    prompt: str,
    settings: PromptModelSettings,
    count: int,
    seed: int,
    tell: Tell,
) -> list[str]:
    """``count`` prompts; those that were finished when ``tell`` says that nobody waits."""
    prompts: list[str] = []
    while len(prompts) < count:
        batch = min(MAX_BATCH, count - len(prompts))
        watch = _ProgressStop(tell, len(prompts), batch, count, settings.max_length)
        written = _generate_batch(model, prompt, settings, batch, seed + len(prompts), watch)
        if watch.cancelled:
            break
        prompts += written
    return prompts


@torch.inference_mode()
def _generate_batch(
    model: PromptModel,
    prompt: str,
    settings: PromptModelSettings,
    batch: int,
    seed: int,
    watch: "_ProgressStop",
) -> list[str]:
    inputs = model.tokenizer(settings.format_prompt(prompt), return_tensors="pt").to(model.device)
    length = inputs["input_ids"].shape[1]  # (1, length)
    longest = (
        settings.max_length if model.is_encoder_decoder else max(settings.max_length, length + 8)
    )
    with torch.random.fork_rng(devices=_devices(model.device)):
        torch.manual_seed(seed)
        rows = model.network.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            do_sample=True,
            num_return_sequences=batch,
            max_length=longest,
            temperature=settings.temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
            repetition_penalty=settings.repetition_penalty,
            pad_token_id=_padding_token(model.tokenizer),
            stopping_criteria=StoppingCriteriaList([watch]),
        )  # (batch, up to longest)
    start = 0 if model.is_encoder_decoder or settings.continues else length
    return [
        _clean_text(text)
        for text in model.tokenizer.batch_decode(rows[:, start:], skip_special_tokens=True)
    ]


def _devices(device: torch.device) -> Sequence[int]:
    return [device.index or 0] if device.type == "cuda" else []


def _padding_token(tokenizer: Any) -> int:
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0)


def _clean_text(text: str) -> str:
    return " ".join(text.split()).strip(" ,")


class _ProgressStop(StoppingCriteria):
    """Tells how far the writing is, and stops it when nobody waits for it."""

    def __init__(self, tell: Tell, done: int, batch: int, count: int, longest: int) -> None:
        self.tell = tell
        self.done, self.batch, self.count, self.longest = done, batch, count, longest
        self.cancelled = False

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        share = min(input_ids.shape[1] / self.longest, 1.0)
        total_share = (self.done + share * self.batch) / self.count
        if not self.cancelled and not self.tell(
            total_share, f"{self.done} of {self.count} prompts"
        ):
            self.cancelled = True
        return torch.full((len(input_ids),), self.cancelled, device=input_ids.device)


class PromptModelCache:
    """Cache of one loaded prompt model."""

    def __init__(self) -> None:
        self.model: PromptModel | None = None

    def load(self, folder: Path, device: str) -> PromptModel:
        """The model of a folder, read when another lies here. Raises as
        :func:`load_prompt_model`.
        """
        if self.model is None or (self.model.folder, str(self.model.device)) != (folder, device):
            self.unload()
            self.model = load_prompt_model(folder, device)
        return self.model

    def unload(self) -> None:
        """Unload the model."""
        self.model = None
        gc.collect()
