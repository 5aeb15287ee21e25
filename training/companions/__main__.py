"""Train the companions on the shipped checkpoint, measure them, ship what has an effect.

    python -m training.companions train [NAME ...] --minutes 8
    python -m training.companions measure [NAME ...] --count 24 --ship

A name is a file's: easel-blueprint, easel-snail, easel-winternight, easel-canny. A training that
was stopped goes on from the folder's state; another checkpoint wants another folder.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import torch

from generator.default_checkpoint import companions
from generator.prompt.tokenizer import clip_tokenizer
from training import export
from training.companions import edges, effects, embedding, low_rank, subjects
from training.companions.low_rank import LowRank
from training.companions.material import gather
from training.companions.tasks import edges_task, style_task
from training.hogwild import TrainingPlan, TrainingTask, train
from training.networks import ControlNetModel

HERE = Path(companions.__file__).parent
RATES = {companions.STYLE: 2e-3, companions.OBJECT: 2e-3, companions.EDGES: 1e-3}


def main(arguments: list[str] | None = None) -> None:
    """Train or measure; see the module's text."""
    args = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    names = [file for file in companions.SHELF if not args.names or Path(file).stem in args.names]
    for name in names:
        (_train if args.part == "train" else _measure)(name, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The default checkpoint's companions.")
    parser.add_argument("part", choices=("train", "measure"))
    parser.add_argument("names", nargs="*", choices=[*map(_stem, companions.SHELF), []])
    parser.add_argument("--checkpoint", type=Path, default=export.FILE)
    parser.add_argument("--folder", type=Path, default=Path(".training/companions"))
    parser.add_argument("--pictures", type=int, default=1024)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=200, help="of the word")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--count", type=int, default=24, help="pictures that measure, each way")
    parser.add_argument(
        "--ship", action="store_true", help="copy what has an effect to the package"
    )
    return parser


def _stem(name: str) -> str:
    return Path(name).stem


# --- training ---------------------------------------------------------------------------------


def _train(name: str, args: argparse.Namespace) -> None:
    args.folder.mkdir(parents=True, exist_ok=True)
    if name == companions.WORD:
        checkpoint = export.read(args.checkpoint)
        examples = [subjects.winter_night(number) for number in range(args.pictures // 8)]
        embedding.train_embedding(
            args.folder / name, checkpoint, clip_tokenizer(), examples, args.steps
        )
    else:
        _write(name, train(_task(name, args), _plan(name, args), args.folder), args)


def _task(name: str, args: argparse.Namespace) -> TrainingTask:
    checkpoint = export.read(args.checkpoint)
    subject = {
        companions.STYLE: subjects.blueprint,
        companions.OBJECT: subjects.snails,
        companions.EDGES: subjects.ordinary_drawing,
    }[name]
    follows = name == companions.EDGES
    material = gather(checkpoint, clip_tokenizer(), subject, args.pictures, edges=follows)
    make = edges_task if follows else style_task
    return make(_stem(name), checkpoint.unet, material)


def _plan(name: str, args: argparse.Namespace) -> TrainingPlan:
    return TrainingPlan(args.minutes, RATES[name], args.workers, averaging=0.995, warmup=20)


def _write(name: str, state: Path, args: argparse.Namespace) -> None:
    """The averaged weights as the file that users get."""
    saved = torch.load(state, map_location="cpu", weights_only=True)
    unet, path = export.read(args.checkpoint).unet, args.folder / name
    metadata = {"easel.samples": str(saved["progress"]["samples"])}
    network: LowRank | ControlNetModel
    if name == companions.EDGES:
        network = edges.build(unet)
        network.load_state_dict(saved["average"])
        edges.write(network, path, "Easel canny", metadata)
    else:
        network = LowRank(unet)
        network.load_state_dict(saved["average"])
        low_rank.write(network, path, _stem(name).replace("-", " ").capitalize(), metadata)


# --- measuring --------------------------------------------------------------------------------


def _measure(name: str, args: argparse.Namespace) -> None:
    path = args.folder / name
    with tempfile.TemporaryDirectory() as data:
        engine = effects.make_engine(args.checkpoint, [path], Path(data))
        effect = effects.measure_effect(engine, name, args.count)
    size = path.stat().st_size
    print(
        f"{_stem(name)}: {effect.figure}: {effect.without:.1%} without, {effect.with_it:.1%} with "
        f"it ({effect.count} pictures each); {size} bytes",
        flush=True,
    )
    if args.ship and effect.holds and size <= companions.LIMIT:
        shutil.copy(path, HERE / name)


if __name__ == "__main__":
    main()
