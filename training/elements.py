"""A second classifier: which of ten scene elements a picture shows.

``python -m training.elements --minutes 6`` trains it on drawings alone, as the
first, and prints its accuracy on unseen ones. It is what counts how much fuller a prompt writer
makes the pictures.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import torch
from PIL import Image
from torch import Tensor, nn

from training import export, judge, judge_training
from training.judge import Judge
from training.painter import draw
from training.scene import DrawnScene, Scenic

FILE = Path(__file__).with_name("elements.safetensors")
SIDE = 128  # pixels of what it looks at: stars and rain are thin
ELEMENTS = (
    *("object", "sky", "ground", "hills", "sun", "moon", "stars"),
    *("clouds", "rain", "falling snow"),
)
_FIRST_SEED = 1_300_000_000
_UNSEEN = 2_120_000_000


def present_elements(scene: DrawnScene) -> tuple[bool, ...]:
    """Which of ``ELEMENTS`` the scene's drawing shows, in their order."""
    names = {thing.name for thing in scene.things}
    presence = {"object": bool(scene.things), "sun": "sun" in names, "moon": "moon" in names}
    presence["clouds"] = "cloud" in names
    back = scene.backdrop
    if isinstance(back, Scenic):
        presence |= {"sky": True, "ground": True, "hills": back.hills, "stars": back.stars}
        presence["sun"] |= back.light == "sun"
        presence["moon"] |= back.light == "moon"
        presence["clouds"] |= back.weather != "clear"
        presence |= {"rain": back.weather == "rain", "falling snow": back.weather == "snowfall"}
    return tuple(presence.get(element, False) for element in ELEMENTS)


def make_element_judge() -> Judge:
    """The judge of elements, untrained."""
    return Judge(len(ELEMENTS), SIDE)


def read(path: Path = FILE) -> Judge:
    """The judge of elements, ready to answer."""
    return judge.read(path, make_element_judge())


@torch.no_grad()
def find_elements(learner: Judge, pictures: Sequence[Image.Image]) -> list[frozenset[str]]:
    """The elements that the judge sees in each picture."""
    elements_by_picture: list[frozenset[str]] = []
    for start in range(0, len(pictures), 32):
        part = [judge.view(picture, side=SIDE) for picture in pictures[start : start + 32]]
        for answers in learner(judge.as_batch(part)) > 0:  # (B, elements)
            elements_by_picture.append(
                frozenset(e for e, yes in zip(ELEMENTS, answers, strict=True) if yes)
            )
    return elements_by_picture


def _batches(rng: Random) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of views (BATCH, 3, SIDE, SIDE) and what they show (BATCH, elements)."""
    seed = _FIRST_SEED
    while True:
        pictures = [draw(seed + k) for k in range(judge_training.BATCH)]
        seed += judge_training.BATCH
        views = [
            judge.view(judge_training.as_softened(picture.image, rng), side=SIDE)
            for picture in pictures
        ]
        shown = [present_elements(picture.scene) for picture in pictures]
        yield judge.as_batch(views), torch.tensor(shown).float()


def train(minutes: float) -> Judge:
    """A judge of elements from drawings alone, after ``minutes`` of processor time."""
    torch.manual_seed(3)

    def right(told: Tensor, labels: Tensor) -> Tensor:
        return (told > 0) == (labels > 0)

    return judge_training.learn(
        make_element_judge(), _batches(Random(3)), nn.BCEWithLogitsLoss(), right, minutes
    )


def accuracy(learner: Judge, count: int) -> dict[str, float]:
    """Shares (0..1) of unseen drawings, after the autoencoder, whose element is told rightly."""
    pictures = [draw(_UNSEEN + k) for k in range(count)]
    autoencoder = export.read(export.FILE).vae
    seen = find_elements(
        learner, judge_training.round_trip(autoencoder, [p.image for p in pictures])
    )
    truth = [present_elements(picture.scene) for picture in pictures]
    return {
        element: sum((element in told) == real[k] for told, real in zip(seen, truth, strict=True))
        / count
        for k, element in enumerate(ELEMENTS)
    }


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description="Train the judge of scenes on drawings.")
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--unseen", type=int, default=400)
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    learner = train(args.minutes)
    shares = accuracy(learner, args.unseen)
    for element, share in shares.items():
        print(f"{share:7.2%}  {element}")
    judge.write(learner, args.out, shares, ELEMENTS)


if __name__ == "__main__":
    main()
