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
from generator.inversion.lessons import Lesson
from generator.models.checkpoint import Checkpoint
from generator.pictures.latents import to_pixels
from generator.prompt.conditioning import EncoderOptions, PromptEncoder, TextualInversion
from generator.prompt.tokenizer import Tokenizer
from generator.request import Progress, Stop
from generator.sampling.schedules import scaled_linear

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

JOB = "train-embedding"
Keep = Callable[[Tensor, int], None]


@dataclass(frozen=True, slots=True)
class Example:
    """A picture of what the word shall mean, and the words that go with it."""

    image: Image.Image
    words: str = ""


@dataclass(frozen=True, slots=True)
class Pupil:
    """What a training starts from: the vectors, and the networks they are trained with."""

    vectors: Tensor  # (k, width), fp32
    checkpoint: Checkpoint
    vae: "AutoencoderKL"
    tokenizer: Tokenizer
    step: int = 0  # trained so far


@dataclass(frozen=True, slots=True)
class Seen:
    """An example as the VAE tells it: the middle and the spread of its latent, (4,h,w) each."""

    middle: Tensor
    spread: Tensor
    words: str


def train(
    lesson: Lesson, pupil: Pupil, examples: Sequence[Example], watch: Watch, keep: Keep
) -> tuple[Tensor, int]:
    """The vectors (k, width) after the lesson, and the steps that they have had in all.

    Fewer steps when ``watch`` interrupts. ``save_copy(vectors, step)`` is called where a copy is due.
    Raises :class:`BadRequest` where no template names the word, :class:`NotANumber`.
    """
    return Training(lesson, pupil, examples).run(watch, keep)


class Training:
    """One lesson."""

    def __init__(self, lesson: Lesson, pupil: Pupil, examples: Sequence[Example]) -> None:
        self.lesson, self.pupil = lesson, pupil
        self.random = random.Random(lesson.seed)
        self.noise = torch.Generator().manual_seed(self.random.getrandbits(63))
        self.device = pupil.checkpoint.unet.device
        self.vectors = pupil.vectors.detach().float().to(self.device).requires_grad_(True)
        self.optimizer = torch.optim.AdamW([self.vectors], lr=lesson.rate.at(1), weight_decay=0.0)
        # Gradients of half precision vanish unless the loss is scaled up on its way back.
        half = pupil.checkpoint.unet.dtype == torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        self.alphas = scaled_linear().alphas_cumprod.to(self.device)
        self.encoder = PromptEncoder(
            pupil.checkpoint.text_encoder,
            pupil.tokenizer,
            EncoderOptions(clip_skip=lesson.clip_skip),
            [TextualInversion(lesson.name, self.vectors)],
            learning=True,
        )
        self.seen = [self.look(example) for example in examples]

    def run(self, watch: Watch, keep: Keep) -> tuple[Tensor, int]:
        """Step by step."""
        lesson, step, told = self.lesson, self.pupil.step, "Training"
        batches = self.batches()
        while step < lesson.steps:
            if watch(Progress(JOB, 0, 1, step, lesson.steps, told), None) is Stop.INTERRUPT:
                break
            step += 1
            told = f"Training; loss {self.learn(batches, step):.4f}"
            if lesson.save_every and step % lesson.save_every == 0:
                keep(self.vectors.detach(), step)
        return self.vectors.detach(), step

    def learn(self, batches: Iterator[list[Seen]], step: int) -> float:
        """One step of the optimizer; the loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.lesson.rate.at(step)
        self.optimizer.zero_grad()
        whole = 0.0
        for _ in range(self.lesson.gradient_step):
            with torch.enable_grad():
                loss = self.loss(next(batches)) / self.lesson.gradient_step
                self.scaler.scale(loss).backward()
            whole += loss.item()
        if whole != whole:
            raise NotANumber("The training came to NaN; take a smaller learn_rate.")
        self.clip(step)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return whole

    def loss(self, batch: Sequence[Seen]) -> Tensor:
        """The squared error of the prediction for one batch, a scalar."""
        latents = torch.stack([self.latent(seen) for seen in batch])  # (B,4,h,w)
        noise = torch.randn(latents.shape, generator=self.noise).to(self.device)
        times = torch.randint(len(self.alphas), (len(batch),), generator=self.noise)
        alpha = self.alphas[times.to(self.device)][:, None, None, None]
        noised = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        context = self.encoder.encode([self.prompt(seen) for seen in batch])
        if self.lesson.name not in self.encoder.used:
            raise BadRequest(
                f"No template holds [name], so {self.lesson.name!r} would learn nothing.",
                "template_filename",
            )
        unet = self.pupil.checkpoint.unet
        told = unet(
            noised.to(unet.dtype), times.to(self.device), context.to(unet.dtype)
        ).sample.float()
        velocity = self.pupil.checkpoint.prediction == "v_prediction"
        wanted = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents if velocity else noise
        return functional.mse_loss(told, wanted)

    def clip(self, step: int) -> None:
        """Hold the gradient back where the lesson says so."""
        if self.lesson.clipping == "disabled":
            return
        self.scaler.unscale_(self.optimizer)
        most = self.lesson.clip_at.at(step)
        if self.lesson.clipping == "value":
            torch.nn.utils.clip_grad_value_([self.vectors], most)
        else:
            torch.nn.utils.clip_grad_norm_([self.vectors], most)

    def batches(self) -> Iterator[list[Seen]]:
        """Examples for ever, each once before any comes again."""
        waiting: list[Seen] = []
        while True:
            while len(waiting) < self.lesson.batch_size:
                waiting += self.random.sample(self.seen, len(self.seen))
            batch, waiting = waiting[: self.lesson.batch_size], waiting[self.lesson.batch_size :]
            yield batch

    def prompt(self, seen: Seen) -> str:
        """A template filled in."""
        tags = [tag.strip() for tag in seen.words.split(",")]
        tags = [tag for tag in tags if self.random.random() >= self.lesson.tag_drop_out]
        if self.lesson.shuffle_tags:
            self.random.shuffle(tags)
        text = self.random.choice(self.lesson.templates)
        return text.replace("[filewords]", ", ".join(tags)).replace("[name]", self.lesson.name)

    def look(self, example: Example) -> Seen:
        """Crop the picture to the configured size and encode it with the VAE."""
        size = (self.lesson.width, self.lesson.height)
        image = ImageOps.fit(example.image.convert("RGB"), size, Image.Resampling.LANCZOS)
        vae = self.pupil.vae
        with torch.no_grad():
            found = vae.encode(to_pixels(image).to(vae.device, vae.dtype)).latent_dist
        scale = vae.config.scaling_factor
        middle, spread = (
            part.float().to(self.device)[0] * scale for part in (found.mean, found.std)
        )
        seen = Seen(middle, spread, example.words)
        if self.lesson.drawing == "once":
            return Seen(self.drawn(seen), spread, example.words)
        return seen

    def latent(self, seen: Seen) -> Tensor:
        """The latent (4,h,w) of an example for one step."""
        return self.drawn(seen) if self.lesson.drawing == "random" else seen.middle

    def drawn(self, seen: Seen) -> Tensor:
        """A draw of the distribution that the VAE tells."""
        noise = torch.randn(seen.middle.shape, generator=self.noise).to(self.device)
        return seen.middle + seen.spread * noise
