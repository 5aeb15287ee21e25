"""Train the default checkpoint; every part can be stopped at any moment and gone on with.

    python -m training.train all --minutes 600

goes through the stages of ``schedule`` in order, from wherever the state stands. Single parts:

    ... train vae --minutes 60        (moves the latents)
    ... train decoder --minutes 60    (keeps them)
    ... train latents --pictures 20000 [--size 512]
    ... train unet --minutes 120 [--half | --sizes 2] [--until SAMPLES]
    ... train export

``export`` measures the new weights and replaces the shipped file only when its score rises.
State lies in ``.training/default``. Where it is empty, training goes on from the shipped file
(``--init-from`` names another, ``--fresh`` starts anew).
"""

import argparse
import json
import time
from pathlib import Path

import torch
from torch import nn

from generator.prompt.tokenizer import clip_tokenizer
from training import diffusion, export, grid, judge, latents, score, vae, vocabulary
from training.diffusion import Painter, TrainingData
from training.hogwild import TrainingPlan, train
from training.networks import AutoencoderKL
from training.schedule import STAGES, TrainingStage, samples_of

RATES = {"vae": 3e-4, "decoder": 3e-4, "unet": 6e-4}


def main(arguments: list[str] | None = None) -> None:
    """Run one part; see the module's text for the command line."""
    args = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    _PARTS[args.part](args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("part", choices=tuple(_PARTS))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--until", type=int, default=0, help="samples where the rate has fallen")
    parser.add_argument("--since", type=int, default=0, help="samples where its way begins")
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first picture")
    parser.add_argument("--size", type=int, default=256, help="latents: pixels a side")
    parser.add_argument("--half", action="store_true", help="unet: 128-pixel pictures")
    parser.add_argument(
        "--sizes", type=int, default=0, help="unet: how often larger pictures come in a round"
    )
    parser.add_argument("--heads", type=int, help="unet: divide the attention anew")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--workers", type=int, default=2)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=device)
    parser.add_argument("--folder", type=Path, default=Path(".training/default"))
    parser.add_argument("--init-from", type=Path, default=export.FILE)
    parser.add_argument("--fresh", action="store_true", help="start from random weights")
    parser.add_argument("--prompts", type=int, default=100, help="export: questions of the score")
    parser.add_argument("--seeds", type=int, default=1, help="export: seeds of each question")
    parser.add_argument("--force", action="store_true", help="export: replace whatever the score")
    parser.add_argument("--out", type=Path, default=export.FILE)
    return parser


def _plan(args: argparse.Namespace) -> TrainingPlan:
    return TrainingPlan(
        args.minutes,
        args.rate or RATES.get(args.part, RATES["unet"]),
        args.workers,
        since=args.since,
        until=args.until,
        device=args.device,
    )


# --- what the parts start from ----------------------------------------------------------------


def _known_words(args: argparse.Namespace) -> tuple[int, ...]:
    """The words of the captions, and those that the state in the folder learned before."""
    said = vocabulary.known_tokens(clip_tokenizer())
    saved = _average(args, "painter")
    return tuple(sorted({*said, *saved["known"].tolist()})) if saved else said


def _average(args: argparse.Namespace, name: str) -> dict[str, torch.Tensor]:
    """The averaged weights of the state; empty where there is none."""
    state = args.folder / f"{name}.pt"
    if not state.exists():
        return {}
    weights: dict[str, torch.Tensor] = torch.load(state, map_location="cpu", weights_only=True)[
        "average"
    ]
    return weights


def _start(args: argparse.Namespace, known: tuple[int, ...]) -> export.TrainedNetworks:
    saved = _average(args, "painter")
    heads = args.heads or (int(saved.get("heads", 8)) if saved else None)
    if args.fresh or not args.init_from.exists():
        painter = diffusion.build(known, heads) if heads else diffusion.build(known)
        return export.TrainedNetworks(painter, vae.build())
    return export.resume(args.init_from, known, heads)


def _painter(args: argparse.Namespace, known: tuple[int, ...]) -> Painter:
    painter, saved = _start(args, known).painter, _average(args, "painter")
    if saved:
        painter.load_state_dict(diffusion.fit(painter, saved))
    return painter


def _autoencoder(args: argparse.Namespace, known: tuple[int, ...]) -> AutoencoderKL:
    """The shipped autoencoder, or what training made of it; a moved encoder is whitened anew."""
    model = _start(args, known).autoencoder
    for name in ("vae", "decoder"):
        saved = _average(args, name)
        if saved:
            model.load_state_dict(saved)
            model = export.whiten_copy(model) if name == "vae" else model
    return model


# --- the parts --------------------------------------------------------------------------------


def _vae(args: argparse.Namespace) -> None:
    start = _start(args, _known_words(args))
    train(vae.task(lambda: start.autoencoder), _plan(args), args.folder)


def _decoder(args: argparse.Namespace) -> None:
    model = _autoencoder(args, _known_words(args))
    train(vae.decoder_task(lambda: model), _plan(args), args.folder)


def _latents(args: argparse.Namespace) -> None:
    model = _autoencoder(args, _known_words(args))
    span = latents.SeedRange(args.size, args.first, args.first + args.pictures)
    latents.fill(model, span, _store(args, args.size), args.workers)


def _store(args: argparse.Namespace, size: int) -> Path:
    return Path(args.folder / ("latents" if size == 256 else f"latents{size}"))


def larger_stores(folder: Path) -> list[Path]:
    """The stores of larger pictures beside that of 256 x 256, each a folder named by its size."""
    folders = (path for path in folder.glob("latents[0-9]*") if path.name[7:].isdecimal())
    return sorted(path for path in folders if path.is_dir())


def _unet(args: argparse.Namespace) -> None:
    tokenizer, known = clip_tokenizer(), _known_words(args)
    folders = [_store(args, 256), *larger_stores(args.folder) * args.sizes]

    def load() -> list[latents.Store]:
        stores = [latents.load(folder) for folder in folders]
        return [latents.halve_store(store) for store in stores] if args.half else stores

    def show(average: nn.Module, path: Path) -> None:
        """The fixed prompts, as the averaged weights draw them now."""
        assert isinstance(average, Painter)
        sample = path.with_suffix(".safetensors")
        export.write(export.TrainedNetworks(average.float(), _autoencoder(args, known)), sample, {})
        prompts = grid.GRID_PROMPTS
        wishes = [(prompt, 1) for prompt in prompts]
        pictures = score.draw_prompts(export.read(sample), tokenizer, wishes)
        grid.sheet(pictures, prompts).save(path)
        sample.unlink()

    lessons = TrainingData(load, tokenizer, known, args.batch)
    task = diffusion.task(lambda: _start(args, known).painter, lessons, show)
    train(task, _plan(args), args.folder)


def _export(args: argparse.Namespace) -> None:
    """Measure what was trained; put it in the shipped file's place if that scores lower."""
    known = _known_words(args)
    trained = export.TrainedNetworks(_painter(args, known), _autoencoder(args, known))
    candidate = args.folder / "candidate.safetensors"
    export.write(trained, candidate, {})
    torch.set_num_threads(args.workers)
    scores, before = _scores(args, candidate), export.read_score(args.out)
    earlier = export.read_score(args.init_from).get("samples", {})
    scores["samples"] = {
        name: samples_of(args.folder, name) or earlier.get(name, 0)
        for name in ("vae", "decoder", "painter")
    }
    unlike = any(before.get(key) != scores[key] for key in ("ruler", "prompts", "seeds"))
    if unlike and not args.force:
        before = _scores(args, args.out) if args.out.exists() else {}
    print(json.dumps({"new": scores, "shipped": before}))
    if args.force or score.overall_score(scores) > score.overall_score(before):
        export.write(trained, args.out, scores)


def _scores(args: argparse.Namespace, path: Path) -> dict[str, object]:
    """All figures of a file, every prompt from ``args.seeds`` seeds."""
    return score.measure(
        export.read(path), clip_tokenizer(), judge.read(), args.prompts, args.seeds
    )


def _all(args: argparse.Namespace) -> None:
    """The stages in order; a stage that the state has behind it costs nothing."""
    ends = time.time() + 60 * args.minutes
    for stage in STAGES:
        left = (ends - time.time()) / 60
        if left <= 0:
            print(f"Out of time before {stage.part!r}; the same command goes on from here.")
            return
        print(f"{stage.part} {dict(stage.settings)} until {stage.until or 'done'}", flush=True)
        _stage(stage, args, left)


def _stage(stage: TrainingStage, args: argparse.Namespace, minutes: float) -> None:
    shipped = {} if args.fresh else export.read_score(args.init_from).get("samples", {})
    done = max(samples_of(args.folder, stage.state), shipped.get(stage.state, 0))
    if stage.until and done >= stage.until:
        return
    settings = {**vars(args), **stage.settings, "part": stage.part, "minutes": minutes}
    _PARTS[stage.part](
        argparse.Namespace(**settings | {"until": stage.until, "since": stage.since})
    )


_PARTS = {
    "vae": _vae,
    "decoder": _decoder,
    "latents": _latents,
    "unet": _unet,
    "export": _export,
    "all": _all,
}


if __name__ == "__main__":
    main()
