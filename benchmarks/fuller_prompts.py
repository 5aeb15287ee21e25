"""Effect of the embedded prompt expander on pictures: ``python -m benchmarks.fuller_prompts``.

A hundred short prompts ("a red cat"), each drawn by the default checkpoint as it is and as the
writer makes it, from the same seed. The judge of elements counts what each picture shows, the
judge of objects says whether the subject is still there.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from PIL import Image

from benchmarks.figures import Figure
from generator.prompt.tokenizer import clip_tokenizer
from plugins.beautiful_prompt.expander import expand_by_table
from training import elements, export, grid, judge, score
from training.caption import add_colour, with_article
from training.judge import NAMES
from training.palette import COLOURS

PROMPTS = 100
MIN_RATIO = 1.5  # times the elements
MIN_SUBJECTS_SEEN = 0.9  # of the prompts


def short_prompts(count: int = PROMPTS) -> list[tuple[str, str]]:
    """Short prompts with the name of their object: every object in turn, in changing colours."""
    rng, colours = Random(0), list(COLOURS)
    names = [NAMES[k % len(NAMES)] for k in range(count)]
    return [
        (with_article(add_colour(name, colours[k * 5 % len(colours)], name, rng)), name)
        for k, name in enumerate(names)
    ]


def measure(file: Path = export.FILE, sheet: Path | None = None) -> Iterator[Figure]:
    """Elements with and without the writer, and how many subjects are seen."""
    prompts_and_names = short_prompts()
    plain = [prompt for prompt, _ in prompts_and_names]
    fuller = [expand_by_table(prompt, 1, seed)[0] for seed, prompt in enumerate(plain)]
    before, after = _draw_prompts(file, plain), _draw_prompts(file, fuller)
    if sheet:
        pairs = [picture for pair in zip(before, after, strict=True) for picture in pair]
        captions = [prompt for pair in zip(plain, fuller, strict=True) for prompt in pair]
        grid.sheet(pairs[:48], captions[:48]).save(sheet)
    critic = elements.read()
    counts = [
        sum(len(elements_found) for elements_found in elements.find_elements(critic, pictures))
        / len(pictures)
        for pictures in (before, after)
    ]
    yield Figure("elements in the picture of a short prompt", f"{counts[0]:.2f}")
    yield Figure("elements with the embedded prompt writer", f"{counts[1]:.2f}")
    more = counts[1] / max(counts[0], 1e-9)
    yield Figure("with the writer against without", f"{more:.2f} ×", "≥ 1.5 ×", more >= MIN_RATIO)
    shares = [_share_seen(prompts_and_names, pictures) for pictures in (before, after)]
    yield Figure("subject seen without the writer", f"{shares[0]:.0%}")
    yield Figure(
        "subject seen with the writer", f"{shares[1]:.0%}", "≥ 90%", shares[1] >= MIN_SUBJECTS_SEEN
    )


def _draw_prompts(file: Path, prompts: Sequence[str]) -> list[Image.Image]:
    wishes = [(prompt, seed) for seed, prompt in enumerate(prompts, start=1)]
    return score.draw_prompts(export.read(file), clip_tokenizer(), wishes)


def _share_seen(
    prompts_and_names: Sequence[tuple[str, str]], pictures: Sequence[Image.Image]
) -> float:
    """The share (0..1) of pictures in which the judge names the prompt's own subject."""
    names = judge.name_views(judge.read(), [judge.view(picture) for picture in pictures])
    return sum(a == name for a, (_, name) in zip(names, prompts_and_names, strict=True)) / len(
        prompts_and_names
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Measure the embedded prompt writer.")
    parser.add_argument("--file", type=Path, default=export.FILE)
    parser.add_argument("--sheet", type=Path, help="where a sheet of the first pairs goes")
    args = parser.parse_args()
    for figure in measure(args.file, args.sheet):
        print(f"{figure.name}: {figure.value} {figure.bar}")


if __name__ == "__main__":
    main()
