"""Requests to BeautifulPrompt, and generation settings of prompt models. No torch.

Ranges and defaults: the vendor's extension and the models' cards (eas.md section 3.3).
"""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from generator.errors import ModelUnreadable
from generator.models.plain_files import check_name, read_text
from generator.reasons import reason_of

FOLDER = "BeautifulPrompt"  # under models/
EMBEDDED = "Easel words"
"""The model that is always there: no network, see ``expander.py``."""

OWN = "easel-prompt.json"  # in a model's folder
SLOT = "{raw_prompt}"
V1 = (
    "Instruction: Give a simple description of the image to generate a drawing prompt.\n"
    "Input: {raw_prompt}\nOutput:"
)
V2 = (
    "Converts a simple image description into a prompt. Prompts are formatted as multiple related "
    "tags separated by commas, plus you can use () to increase the weight, [] to decrease the "
    "weight, or use a number to specify the weight. You should add appropriate words to make the "
    "images described in the prompt more aesthetically pleasing, but make sure there is a "
    "correlation between the input and output.\n### Input: {raw_prompt}\n### Output:"
)
PLAIN = "{raw_prompt}"
"""For models that go on with what they are given; the answer begins with it."""

LONGEST = 2000  # characters of a prompt to expand


class Wish(BaseModel):
    """One request for prompts. Numbers out of range are refused, naming the field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    model: str = ""  # "" is the first that is installed, else the embedded one
    count: Annotated[int, Field(ge=1, le=50)] = 5
    seed: Annotated[int, Field(ge=-1, le=2**32 - 1)] = -1  # -1 draws one
    temperature: Annotated[float, Field(ge=0.05, le=3)] | None = None
    top_k: Annotated[int, Field(ge=1, le=300)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=1, le=2)] | None = None
    max_length: Annotated[int, Field(ge=8, le=400)] | None = None  # tokens, those asked included


class Manner(BaseModel):
    """Template and sampling settings of a model, from ``easel-prompt.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: str = V1
    temperature: Annotated[float, Field(ge=0.05, le=3)] = 1.0
    top_k: Annotated[int, Field(ge=1, le=300)] = 50
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    repetition_penalty: Annotated[float, Field(ge=1, le=2)] = 1.1
    max_length: Annotated[int, Field(ge=8, le=400)] = 384
    negative_prompt: str = ""

    def asked(self, wish: Wish) -> "Manner":
        """These settings with the overrides of a request."""
        own = {name: value for name in ASKABLE if (value := getattr(wish, name)) is not None}
        return self.model_copy(update=own)

    def question(self, prompt: str) -> str:
        """The text that the model goes on with."""
        return self.template.replace(SLOT, prompt)

    @property
    def continues(self) -> bool:
        """Whether the model's answer goes on where the prompt ends."""
        return self.template == PLAIN


ASKABLE = ("temperature", "top_k", "top_p", "repetition_penalty", "max_length")
VENDOR = frozenset({"bloom"})
"""``model_type`` of the vendor's models; others just go on, or translate, without a template."""


def installed(models: Path) -> tuple[Path, ...]:
    """Folders under ``models/BeautifulPrompt`` that hold a language model."""
    folder = models / FOLDER
    found = folder.iterdir() if folder.is_dir() else ()
    return tuple(sorted(path for path in found if _is_named(path.name) and _is_model(path)))


def _is_named(name: str) -> bool:
    try:
        check_name(name)
    except ModelUnreadable:
        return False
    return True


def _is_model(folder: Path) -> bool:
    try:
        return (folder / "config.json").is_file()
    except OSError:
        return False


def manner_of(folder: Path) -> Manner:
    """How the model in ``folder`` is asked. Raises ``ValueError`` for a bad ``easel-prompt.json``.

    Without that file: the vendor's second template for names that end in "v2", the first for
    other BLOOM models, none for the rest.
    """
    own = _read(folder / OWN)
    if "template" not in own:
        bloom = _read(folder / "config.json").get("model_type") in VENDOR
        own["template"] = (V2 if folder.name.endswith("v2") else V1) if bloom else PLAIN
    if SLOT not in own["template"]:
        raise ValueError(f"{folder.name}/{OWN}: the template has no {SLOT}.")
    try:
        return Manner.model_validate(own)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{folder.name}/{OWN}: {place}: {first['msg']}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path))
    except FileNotFoundError:
        return {}
    except ModelUnreadable as error:
        raise ValueError(f"{path.parent.name}/{error}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.parent.name}/{path.name}: {reason_of(error)}") from error
    return found if isinstance(found, dict) else {}
