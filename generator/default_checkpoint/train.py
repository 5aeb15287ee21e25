"""Train the default checkpoint, a part at a time; each part can be stopped and gone on with.

    python -m generator.default_checkpoint.train vae --minutes 60      (moves the latents)
    python -m generator.default_checkpoint.train decoder --minutes 60  (keeps them)
    python -m generator.default_checkpoint.train latents --pictures 20000
    python -m generator.default_checkpoint.train unet --minutes 120
    python -m generator.default_checkpoint.train export
    python -m generator.default_checkpoint.train all --minutes 120

``export`` measures the new weights and replaces the shipped file only when its score rises.
State lies in ``.training/default``. Where it is empty, training goes on from the shipped file
(``--init-from`` names another, ``--fresh`` starts anew).
"""

import argparse
import json
from pathlib import Path

import torch

from generator.default_checkpoint import diffusion, export, latents, score, vae, words
from generator.default_checkpoint.diffusion import Lessons, Painter
from generator.default_checkpoint.hogwild import Plan, train
from generator.default_checkpoint.networks import AutoencoderKL
from generator.prompt.tokenizer import clip_tokenizer

RATES = {"vae": 3e-4, "decoder": 3e-4, "unet": 6e-4}


def main(arguments: list[str] | None = None) -> None:
    """Run one part; see the module's text for the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("part", choices=("vae", "decoder", "latents", "unet", "export", "all"))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first picture")
    parser.add_argument("--half", action="store_true", help="unet: 128-pixel pictures")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(".training/default"))
    parser.add_argument("--init-from", type=Path, default=export.FILE)
    parser.add_argument("--fresh", action="store_true", help="start from random weights")
    parser.add_argument("--prompts", type=int, default=54, help="export: questions of the score")
    parser.add_argument("--force", action="store_true", help="export: replace whatever the score")
    parser.add_argument("--out", type=Path, default=export.FILE)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    {
        "vae": _vae,
        "decoder": _decoder,
        "latents": _latents,
        "unet": _unet,
        "export": _export,
        "all": _all,
    }[args.part](args)


def _plan(args: argparse.Namespace) -> Plan:
    rate = args.rate or RATES.get(args.part, RATES["unet"])
    return Plan(args.minutes, rate, args.workers)


def _start(args: argparse.Namespace, known: tuple[int, ...]) -> export.Trained:
    if args.fresh or not args.init_from.exists():
        return export.Trained(diffusion.build(known), vae.build())
    return export.resume(args.init_from, known)


def _known(args: argparse.Namespace) -> tuple[int, ...]:
    """The words of the captions, and those that the state in the folder learned before."""
    state, said = args.folder / "painter.pt", words.known_tokens(clip_tokenizer())
    if not state.exists():
        return said
    saved = torch.load(state, map_location="cpu", weights_only=True, mmap=True)
    return tuple(sorted({*said, *saved["average"]["known"].tolist()}))


def _vae(args: argparse.Namespace) -> None:
    start = _start(args, _known(args))
    train(vae.task(lambda: start.autoencoder), _plan(args), args.folder)


def _decoder(args: argparse.Namespace) -> None:
    start = _start(args, _known(args))
    train(vae.decoder_task(lambda: start.autoencoder), _plan(args), args.folder)


def _latents(args: argparse.Namespace) -> None:
    model = _autoencoder(args, _known(args))
    last = args.first + args.pictures
    latents.fill(model, 256, args.first, last, args.folder / "latents")


def _unet(args: argparse.Namespace) -> None:
    tokenizer = clip_tokenizer()
    known = _known(args)

    def load() -> latents.Store:
        store = latents.load(args.folder / "latents")
        return latents.pooled(store) if args.half else store

    lessons = Lessons(load, tokenizer, known, args.batch)
    train(diffusion.task(lambda: _start(args, known).painter, lessons), _plan(args), args.folder)


def _all(args: argparse.Namespace) -> None:
    """Go on with the U-Net; the autoencoder, whose latents it lives in, stays as it is."""
    _latents(args)
    _unet(args)
    _export(args)


def _export(args: argparse.Namespace) -> None:
    """Measure what was trained; put it in the shipped file's place if that scores lower."""
    tokenizer = clip_tokenizer()
    known = _known(args)
    trained = export.Trained(_painter(args, known), _autoencoder(args, known))
    candidate = args.folder / "candidate.safetensors"
    export.write(trained, candidate, {})
    torch.set_num_threads(args.workers)
    scores = score.measure(export.read(candidate), tokenizer, args.prompts)
    before = export.told_score(args.out)
    print(json.dumps({"new": scores, "shipped": before}))
    if args.force or score.worth(scores) > score.worth(before):
        export.write(trained, args.out, scores)


def _painter(args: argparse.Namespace, known: tuple[int, ...]) -> Painter:
    state = args.folder / "painter.pt"
    painter = _start(args, known).painter
    if state.exists():
        saved = torch.load(state, map_location="cpu", weights_only=True)
        painter.load_state_dict(diffusion.fit(painter, saved["average"]))
    return painter


def _autoencoder(args: argparse.Namespace, known: tuple[int, ...]) -> AutoencoderKL:
    """The shipped autoencoder, or what training made of it; a moved encoder is whitened anew."""
    model = _start(args, known).autoencoder
    for name in ("vae", "decoder"):
        state = args.folder / f"{name}.pt"
        if state.exists():
            saved = torch.load(state, map_location="cpu", weights_only=True)
            model.load_state_dict(saved["average"])
            model = export.white(model) if name == "vae" else model
    return model


if __name__ == "__main__":
    main()
