"""Measure the checkpoint: ``python -m training.score``.

Every prompt names a combination that training never drew (``questions``). Objects are named by the
judge, colours, places, relations and counts read from pixels by the ruler. Both are laid to the
drawing program's own pictures too, so that their errors are known.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image

from generator.models.checkpoint import Checkpoint
from generator.prompt.tokenizer import Tokenizer, clip_tokenizer
from training import export, judge, judge_training, ruler, vae
from training.grid import GRID_PROMPTS, sheet
from training.judge import Judge
from training.painter import paint
from training.questions import ScorePrompt, make_questions, true_scene
from training.sampling import SampleRequest, draw_with

RULER = 3  # told in the file: scores of another ruler are not compared
BARS: Mapping[str, float] = MappingProxyType(
    {
        "colour": 0.95,
        "object": 0.85,
        "place": 0.85,
        "relation": 0.60,
        "object at 512": 0.60,
    }
)
SLOWEST = 1.0  # seconds for one picture of 256 x 256, 20 steps, 2 threads
_ASKED = ("object", "colour", "place", "background", "relation", "count", "sky", "ground")
_SIDES = ("left of", "right of", "above", "below")

Verdicts = dict[str, bool]  # by what was asked


def judge_picture(question: ScorePrompt, image: Image.Image, critic: Judge) -> Verdicts:
    """What the picture shows rightly of what the question asks."""
    return {
        "alone": _of_one,
        "scenery": _of_scenery,
        "pair": _of_pair,
        "count": _of_several,
    }[question.kind](question, image, critic)


def _of_one(question: ScorePrompt, image: Image.Image, critic: Judge) -> Verdicts:
    foreground = ruler.on_plain(image)
    box = ruler.box_of(foreground.mask)
    name = _name(critic, image, box)
    verdicts_by_kind = {
        "object": name == question.names[0],
        "colour": ruler.main_colour(foreground) == question.colours[0],
        "place": box is not None and ruler.place_of(box) == question.place,
        "background": foreground.background == question.background,
    }
    return {**verdicts_by_kind, "all of one": all(verdicts_by_kind.values())}


def _of_scenery(question: ScorePrompt, image: Image.Image, critic: Judge) -> Verdicts:
    return {
        "object": _name(critic, image, judge.WHOLE) == question.names[0],
        "colour": ruler.shows_colour(image, question.colours[0], question.time),
        "sky": ruler.sky_of(image) == question.time,
        "ground": ruler.ground_of(image, question.time) == question.ground,
    }


def _of_pair(question: ScorePrompt, image: Image.Image, critic: Judge) -> Verdicts:
    """The relation holds where both colours stand in it and, side by side, both objects do."""
    foreground = ruler.on_plain(image)
    masks = [ruler.mask_of_colour(foreground, colour) for colour in question.colours]
    placed = ruler.relation_holds(question.relation, masks[0], masks[1])
    if question.relation in _SIDES:
        boxes = ruler.side_boxes(foreground, question.relation)
    else:
        boxes = ruler.box_of(ruler.keep_largest(masks[0])), ruler.box_of(foreground.mask)
    names = question.names if question.relation in _SIDES else question.names[:1]
    named = all(_name(critic, image, box) == name for box, name in zip(boxes, names, strict=False))
    return {"colours in relation": placed, "relation": placed and named}


def _of_several(question: ScorePrompt, image: Image.Image, critic: Judge) -> Verdicts:
    return {"count": ruler.count_of(image) == question.count}


def _name(critic: Judge, image: Image.Image, box: judge.Box | None) -> str:
    if box is None:
        return ""
    looked = box if box == judge.WHOLE else judge.widen_box(box)
    return judge.name_views(critic, [judge.view(image, looked)])[0]


def right_shares(
    score_prompts: Sequence[ScorePrompt], pictures: Sequence[Image.Image], critic: Judge
) -> dict[str, float]:
    """Shares (0..1) of right verdicts, by what was asked; ``pictures[k]`` answers ``asked[k]``."""
    right: dict[str, list[bool]] = {}
    for question, picture in zip(score_prompts, pictures, strict=True):
        for key, verdict in judge_picture(question, picture, critic).items():
            right.setdefault(key, []).append(verdict)
    return {key: round(sum(all_) / len(all_), 3) for key, all_ in right.items()}


def draw_prompts(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    wishes: Sequence[tuple[str, int]],
    size: int = 256,
) -> list[Image.Image]:
    """Pictures of prompts from seeds, eight at once at 256 x 256."""
    batch = max(1, 8 * 256**2 // size**2)
    pictures: list[Image.Image] = []
    for start in range(0, len(wishes), batch):
        prompts, seeds = zip(*wishes[start : start + batch], strict=True)
        pictures += draw_with(checkpoint, tokenizer, SampleRequest(prompts, seeds, size=size))
    return pictures


def measure(
    checkpoint: Checkpoint, tokenizer: Tokenizer, critic: Judge, count: int, seeds: int
) -> dict[str, object]:
    """All figures of the checkpoint. Shares in 0..1, seconds of wall time, decibels."""
    score_prompts = [question for question in make_questions(count) for _ in range(seeds)]
    wishes = [(question.prompt, k % seeds + 1) for k, question in enumerate(score_prompts)]
    figures = right_shares(score_prompts, draw_prompts(checkpoint, tokenizer, wishes), critic)
    alone = [question for question in make_questions(count) if question.kind == "alone"][
        : count // 4
    ]
    large = draw_prompts(checkpoint, tokenizer, [(q.prompt, 1) for q in alone], 512)
    return {
        "ruler": RULER,
        "prompts": count,
        "seeds": seeds,
        **figures,
        "object at 512": right_shares(alone, large, critic)["object"],
        "autoencoder_db": round(vae.psnr(checkpoint.vae, vae.unseen_pictures()), 2),
        "seconds": round(measure_seconds(checkpoint, tokenizer), 2),
    }


def measure_seconds(checkpoint: Checkpoint, tokenizer: Tokenizer) -> float:
    """Wall time of one picture, 256 x 256, 20 steps, 2 threads: the best of three."""
    before, taken = torch.get_num_threads(), list[float]()
    torch.set_num_threads(2)
    for _ in range(3):
        started = time.perf_counter()
        draw_prompts(checkpoint, tokenizer, [(GRID_PROMPTS[0], 1)])
        taken.append(time.perf_counter() - started)
    torch.set_num_threads(before)
    return min(taken)


def overall_score(scores: Mapping[str, Any]) -> float:
    """One number (0..1) to choose weights by: the mean of what prompts ask for."""
    return sum(float(scores.get(key, 0)) for key in _ASKED) / len(_ASKED)


def format_table(scores: Mapping[str, Any], ceiling: Mapping[str, float]) -> str:
    """The figures in lines: the checkpoint's, what true drawings get, the bar, whether it is met.

    Chance is one name of all objects, one of nine places, and so on: it needs no measuring.
    """
    lines = [f"{'':24}{'found':>9}{'drawings':>10}{'bar':>8}"]
    for key, value in scores.items():
        if not isinstance(value, float):
            continue
        is_share = value <= 1 and key != "seconds"
        text = f"{value:.1%}" if is_share else f"{value}"
        top = f"{ceiling[key]:.1%}" if key in ceiling else ""
        bar, met = _bar(key, value)
        lines.append(f"{key:24}{text:>9}{top:>10}{bar:>8}{met:>8}")
    return "\n".join(lines)


def _bar(key: str, value: float) -> tuple[str, str]:
    if key == "seconds":
        return f"<= {SLOWEST}", "met" if value <= SLOWEST else "missed"
    if key == "autoencoder_db":
        return "32", "met" if value >= 32 else "missed"
    if key not in BARS:
        return "", ""
    return f"{BARS[key]:.0%}", "met" if value >= BARS[key] else "missed"


def main() -> None:
    """Print the score as a table; ``--grid`` also draws the fixed prompts."""
    parser = argparse.ArgumentParser(description="Measure the default checkpoint.")
    parser.add_argument("--file", type=Path, default=export.FILE)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--unseen", type=int, default=500, help="drawings that test the judge")
    parser.add_argument("--grid", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    checkpoint, tokenizer, critic = export.read(args.file), clip_tokenizer(), judge.read()
    for key, share in judge_training.accuracy(critic, checkpoint.vae, args.unseen).items():
        print(f"the judge names {share:.1%} of unseen drawings: {key}")
    score_prompts = make_questions(args.prompts)
    ceiling = right_shares(
        score_prompts, [paint(true_scene(question)) for question in score_prompts], critic
    )
    scores = measure(checkpoint, tokenizer, critic, args.prompts, args.seeds)
    print(format_table(scores, ceiling))
    if args.json:
        args.json.write_text(json.dumps(scores))
    if args.grid:
        sheet(
            draw_prompts(checkpoint, tokenizer, [(p, 1) for p in GRID_PROMPTS]), GRID_PROMPTS
        ).save(args.grid)


if __name__ == "__main__":
    main()
