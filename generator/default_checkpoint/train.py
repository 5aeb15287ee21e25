"""Train the default checkpoint: ``python -m generator.default_checkpoint.train vae --minutes 15``."""

import argparse
from pathlib import Path

from generator.default_checkpoint import vae
from generator.default_checkpoint.hogwild import Plan, train

FOLDER = Path(".training/default")
VAE_RATE = 3e-4


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["vae"])
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--rate", type=float)
    args = parser.parse_args()
    train(vae.task(), Plan(args.minutes, args.rate or VAE_RATE), FOLDER)


if __name__ == "__main__":
    main()
