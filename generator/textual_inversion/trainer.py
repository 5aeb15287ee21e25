"""Trains a word: its vectors alone learn, the networks stay as they are.

Gal et al. 2022, section 4: the loss is that of the checkpoint's own training, the squared error of
the noise (or of v) that the U-Net predicts for a noised latent, seen with the word in its prompt.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from generator.errors import BadRequest, NotANumber
from generator.hooks import Watch
from generator.models.checkpoint import Checkpoint
from generator.models.families.family import AddedCondition, Prediction
from generator.pictures.latents import to_pixels
from generator.prompt.conditioning import EncoderOptions, PromptEncoder, TextualInversion
from generator.prompt.text_encoder import TextEncoder
from generator.prompt.tokenizer import Tokenizer
from generator.request import Progress, Stop
from generator.sampling.schedules import scaled_linear
from generator.textual_inversion.config import TrainingConfig

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

JOB = "train-embedding"
SaveCopy = Callable[[Tensor, int], None]


@dataclass(frozen=True, slots=True)
class Example:
    """A picture of what the word shall mean, and the words that go with it."""

    image: Image.Image
    words: str = ""


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What a training starts from: the vectors, and the networks they are trained with."""

    vectors: Tensor  # (k, width), fp32
    checkpoint: Checkpoint
    vae: "AutoencoderKL"
    tokenizer: Tokenizer
    step: int = 0  # trained so far


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """An example as the VAE tells it: the middle and the spread of its latent, (4,h,w) each."""

    middle: Tensor
    spread: Tensor
    words: str


def train(
    config: TrainingConfig,
    state: TrainingState,
    examples: Sequence[Example],
    watch: Watch,
    save_copy: SaveCopy,
) -> tuple[Tensor, int]:
    """The vectors (k, width) after the lesson, and the steps that they have had in all.

    Fewer steps when ``watch`` interrupts. ``save_copy(vectors, step)`` is called where a copy is
    due. Raises :class:`BadRequest` where no template names the word, :class:`NotANumber`.
    """
    return Trainer(config, state, examples).run(watch, save_copy)


def sole_text_encoder(checkpoint: Checkpoint) -> TextEncoder:
    """The text encoder of a checkpoint that has one and reads nothing beside its words.

    Raises :class:`BadRequest` for another: words are learned for Stable Diffusion 1 and 2.
    """
    if len(checkpoint.text_encoders) > 1 or checkpoint.family.added is not AddedCondition.NONE:
        raise BadRequest(
            f"{checkpoint.file.name} is {checkpoint.family.label}, for which no textual inversion "
            "is made or trained; choose a checkpoint of Stable Diffusion 1 or 2.",
            "sd_model_checkpoint",
        )
    return checkpoint.text_encoders[0]


class Trainer:
    """One lesson."""

    def __init__(
        self, config: TrainingConfig, state: TrainingState, examples: Sequence[Example]
    ) -> None:
        self.config, self.state = config, state
        self.random = random.Random(config.seed)
        self.noise = torch.Generator().manual_seed(self.random.getrandbits(63))
        self.device = state.checkpoint.unet.device
        self.vectors = state.vectors.detach().float().to(self.device).requires_grad_(True)
        self.optimizer = torch.optim.AdamW(
            [self.vectors], lr=config.rate.value_at(1), weight_decay=0.0
        )
        # Gradients of half precision vanish unless the loss is scaled up on its way back.
        half = state.checkpoint.unet.dtype == torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        self.alphas = scaled_linear(state.checkpoint.family.noise).alphas_cumprod.to(self.device)
        self.encoder = PromptEncoder(
            state.checkpoint.text_encoders,
            state.tokenizer,
            EncoderOptions(clip_skip=config.clip_skip),
            [TextualInversion(config.name, self.vectors)],
            learning=True,
        )
        self.encoded_examples = [self.encode_example(example) for example in examples]

    def run(self, watch: Watch, save_copy: SaveCopy) -> tuple[Tensor, int]:
        """Step by step."""
        config, step, textinfo = self.config, self.state.step, "Training"
        batches = self.draw_batches()
        while step < config.steps:
            if watch(Progress(JOB, 0, 1, step, config.steps, textinfo), None) is Stop.INTERRUPT:
                break
            step += 1
            textinfo = f"Training; loss {self.train_step(batches, step):.4f}"
            if config.save_every and step % config.save_every == 0:
                save_copy(self.vectors.detach(), step)
        return self.vectors.detach(), step

    def train_step(self, batches: Iterator[list[EncodedExample]], step: int) -> float:
        """One step of the optimizer; the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate.value_at(step)
        self.optimizer.zero_grad()
        total_loss = 0.0
        for _ in range(self.config.gradient_step):
            with torch.enable_grad():
                loss = self.compute_loss(next(batches)) / self.config.gradient_step
                self.scaler.scale(loss).backward()
            total_loss += loss.item()
        if total_loss != total_loss:
            raise NotANumber("The training came to NaN; take a smaller learn_rate.")
        self.clip_gradient(step)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return total_loss

    def compute_loss(self, batch: Sequence[EncodedExample]) -> Tensor:
        """The squared error of the prediction for one batch, a scalar."""
        latents = torch.stack([self.latent_for_step(example) for example in batch])  # (B,4,h,w)
        noise = torch.randn(latents.shape, generator=self.noise).to(self.device)
        times = torch.randint(len(self.alphas), (len(batch),), generator=self.noise)
        alpha = self.alphas[times.to(self.device)][:, None, None, None]
        noised = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        texts = [self.fill_template(example) for example in batch]
        context = self.encoder.encode(texts).contexts
        if self.config.name not in self.encoder.used_embeddings:
            raise BadRequest(
                f"No template holds [name], so {self.config.name!r} would learn nothing.",
                "template_filename",
            )
        unet = self.state.checkpoint.unet
        prediction = unet(
            noised.to(unet.dtype), times.to(self.device), context.to(unet.dtype)
        ).sample.float()
        velocity = self.state.checkpoint.prediction is Prediction.V
        target = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents if velocity else noise
        return functional.mse_loss(prediction, target)

    def clip_gradient(self, step: int) -> None:
        """Hold the gradient back where the lesson says so."""
        if self.config.clipping == "disabled":
            return
        self.scaler.unscale_(self.optimizer)
        most = self.config.clip_at.value_at(step)
        if self.config.clipping == "value":
            torch.nn.utils.clip_grad_value_([self.vectors], most)
        else:
            torch.nn.utils.clip_grad_norm_([self.vectors], most)

    def draw_batches(self) -> Iterator[list[EncodedExample]]:
        """Examples for ever, each once before any comes again."""
        waiting: list[EncodedExample] = []
        while True:
            while len(waiting) < self.config.batch_size:
                waiting += self.random.sample(self.encoded_examples, len(self.encoded_examples))
            batch, waiting = waiting[: self.config.batch_size], waiting[self.config.batch_size :]
            yield batch

    def fill_template(self, example: EncodedExample) -> str:
        """A template filled in."""
        tags = [tag.strip() for tag in example.words.split(",")]
        tags = [tag for tag in tags if self.random.random() >= self.config.tag_drop_out]
        if self.config.shuffle_tags:
            self.random.shuffle(tags)
        text = self.random.choice(self.config.templates)
        return text.replace("[filewords]", ", ".join(tags)).replace("[name]", self.config.name)

    def encode_example(self, example: Example) -> EncodedExample:
        """Crop the picture to the configured size and encode it with the VAE."""
        size = (self.config.width, self.config.height)
        image = ImageOps.fit(example.image.convert("RGB"), size, Image.Resampling.LANCZOS)
        vae = self.state.vae
        with torch.no_grad():
            distribution = vae.encode(to_pixels(image).to(vae.device, vae.dtype)).latent_dist
        scale = vae.config.scaling_factor
        middle, spread = (
            part.float().to(self.device)[0] * scale
            for part in (distribution.mean, distribution.std)
        )
        encoded = EncodedExample(middle, spread, example.words)
        if self.config.drawing == "once":
            return EncodedExample(self.draw_latent(encoded), spread, example.words)
        return encoded

    def latent_for_step(self, example: EncodedExample) -> Tensor:
        """The latent (4,h,w) of an example for one step."""
        return self.draw_latent(example) if self.config.drawing == "random" else example.middle

    def draw_latent(self, example: EncodedExample) -> Tensor:
        """A draw of the distribution that the VAE tells."""
        noise = torch.randn(example.middle.shape, generator=self.noise).to(self.device)
        return example.middle + example.spread * noise
