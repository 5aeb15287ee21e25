"""Train the judge on drawings: ``python -m training.judge_training --minutes 20``.

Half of what it sees are objects cut out with loose margins, the rest whole pictures with one
object; some are softened as the autoencoder softens. Prints its accuracy on unseen drawings.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from training import export, judge, vae
from training.judge import NAMES, Box, Judge
from training.networks import AutoencoderKL
from training.painter import Drawing, draw
from training.scene import Thing

BATCH = 64
RATE = 2e-3
_FIRST_SEED = 900_000_000
_UNSEEN = 2_100_000_000
_COVERING = ("inside", "in front of")

Example = tuple[np.ndarray, int]  # view (SIDE, SIDE, 3), index of its name


def examples(seed: int, rng: Random) -> list[Example]:
    """What one drawing teaches: its objects cut out, and the whole where it shows only one."""
    picture = draw(seed)
    things = picture.scene.things
    if picture.scene.relation in _COVERING:
        things = things[:1]  # the second is covered in part
    softened = as_softened(picture.image, rng)
    labelled_views = [
        (judge.view(softened, _loose_box(thing, rng)), NAMES.index(thing.name)) for thing in things
    ]
    if len(picture.scene.things) == 1:
        labelled_views.append((judge.view(softened), NAMES.index(things[0].name)))
    return labelled_views[-3:]


def _loose_box(thing: Thing, rng: Random) -> Box:
    """The object's box, a little off and with a margin: as a ruler finds it in a picture."""
    reach = thing.reach * rng.uniform(0.9, 1.4)
    x, y = (c + rng.uniform(-0.15, 0.15) * thing.reach for c in (thing.x, thing.y))
    return x - reach, y - reach, x + reach, y + reach


def as_softened(image: Image.Image, rng: Random) -> Image.Image:
    """Now and then blurred, with an error for each latent: as a checkpoint's decoder draws."""
    if rng.random() < 0.6:
        return image
    blurred = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.5)))
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0, 8), (32, 32, 3))
    coarse = np.kron(noise, np.ones((8, 8, 1)))  # (256, 256, 3)
    return Image.fromarray(np.clip(np.asarray(blurred) + coarse, 0, 255).astype(np.uint8))


def _batches(rng: Random, part: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of views (BATCH, 3, SIDE, SIDE) and names (BATCH,), well mixed."""
    seed, pool = _FIRST_SEED + part * 10_000_000, list[Example]()
    while True:
        while len(pool) < 8 * BATCH:
            pool += examples(seed, rng)
            seed += 1
        rng.shuffle(pool)
        picked, pool = pool[:BATCH], pool[BATCH:]
        labels = torch.tensor([label for _, label in picked])
        yield judge.as_batch([seen for seen, _ in picked]), labels


def train(minutes: float, start: Judge | None = None, seed: int = 1) -> Judge:
    """A judge from drawings alone, after ``minutes`` of processor time; ``start`` goes on."""
    torch.manual_seed(seed)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.02)

    def right(told: Tensor, labels: Tensor) -> Tensor:
        return told.argmax(1) == labels

    return learn(start or Judge(), _batches(Random(seed), seed), loss_of, right, minutes)


def learn(
    learner: Judge,
    supply: Iterator[tuple[Tensor, Tensor]],
    loss_of: Callable[[Tensor, Tensor], Tensor],
    right: Callable[[Tensor, Tensor], Tensor],
    minutes: float,
) -> Judge:
    """``learner`` after ``minutes`` of processor time on batches of views and labels."""
    learner.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(learner.parameters(), lr=RATE, weight_decay=0.02)
    started, step = time.process_time(), 0
    while (share := (time.process_time() - started) / 60 / minutes) < 1:
        optimiser.param_groups[0]["lr"] = RATE * min(1, (step + 1) / 50) * (1 - share)
        views, labels = next(supply)
        predictions = learner(views)
        loss = loss_of(predictions, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        if step % 100 == 0:
            share_right = float(right(predictions, labels).float().mean())
            print(
                f"{step * BATCH} views, loss {float(loss.detach()):.3f}, right {share_right:.3f}",
                flush=True,
            )
    return learner.eval()


# --- its own accuracy -------------------------------------------------------------------------


def unseen_drawings(count: int) -> list[Drawing]:
    """Drawings of one object each that no training draws."""
    pictures, seed = list[Drawing](), _UNSEEN
    while len(pictures) < count:
        picture = draw(seed)
        seed += 1
        pictures += [picture] if len(picture.scene.things) == 1 else []
    return pictures


def accuracy(learner: Judge, autoencoder: AutoencoderKL | None, count: int) -> dict[str, float]:
    """Shares (0..1) named rightly of unseen drawings: cut out, whole, and by round trip."""
    pictures = unseen_drawings(count)
    images = [picture.image for picture in pictures]
    shares = {
        "cut out": _right(learner, pictures, images, cut=True),
        "whole": _right(learner, pictures, images, cut=False),
    }
    if autoencoder is not None:
        again = round_trip(autoencoder, images)
        shares["cut out, through the autoencoder"] = _right(learner, pictures, again, cut=True)
        shares["whole, through the autoencoder"] = _right(learner, pictures, again, cut=False)
    return shares


def _right(
    learner: Judge, pictures: list[Drawing], images: list[Image.Image], *, cut: bool
) -> float:
    things = [picture.scene.things[0] for picture in pictures]
    rng = Random(0)
    views = [
        judge.view(image, _loose_box(thing, rng)) if cut else judge.view(image)
        for image, thing in zip(images, things, strict=True)
    ]
    answers = judge.name_views(learner, views)
    return sum(a == thing.name for a, thing in zip(answers, things, strict=True)) / len(things)


@torch.no_grad()
def round_trip(autoencoder: AutoencoderKL, images: list[Image.Image]) -> list[Image.Image]:
    """Pictures (256 x 256) as the autoencoder gives them back."""
    drawn: list[Image.Image] = []
    for start in range(0, len(images), 8):
        batch = vae.to_tensor([np.asarray(image) for image in images[start : start + 8]])
        again = autoencoder.decode(autoencoder.encode(batch).latent_dist.mean).sample.clamp(-1, 1)
        pixels = ((again + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        drawn += [Image.fromarray(np.ascontiguousarray(one)) for one in pixels]
    return drawn


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description="Train the judge on drawings.")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--unseen", type=int, default=1000)
    parser.add_argument("--go-on", type=Path, help="the judge to start from")
    parser.add_argument("--seed", type=int, default=1, help="another one shows other drawings")
    parser.add_argument("--out", type=Path, default=judge.FILE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    learner = train(args.minutes, judge.read(args.go_on) if args.go_on else None, args.seed)
    shares = accuracy(learner, export.read(export.FILE).vae, args.unseen)
    for key, value in shares.items():
        print(f"{value:7.2%}  {key}")
    judge.write(learner, args.out, shares)


if __name__ == "__main__":
    main()
