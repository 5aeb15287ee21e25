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

SETTINGS_FILE = "easel-prompt.json"  # in a model's folder
PROMPT_PLACEHOLDER = "{raw_prompt}"
TEMPLATE_V1 = (
    "Instruction: Give a simple description of the image to generate a drawing prompt.\n"
    "Input: {raw_prompt}\nOutput:"
)
TEMPLATE_V2 = (
    "Converts a simple image description into a prompt. Prompts are formatted as multiple related "
    "tags separated by commas, plus you can use () to increase the weight, [] to decrease the "
    "weight, or use a number to specify the weight. You should add appropriate words to make the "
    "images described in the prompt more aesthetically pleasing, but make sure there is a "
    "correlation between the input and output.\n### Input: {raw_prompt}\n### Output:"
)
PLAIN_TEMPLATE = "{raw_prompt}"
"""For models that go on with what they are given; the answer begins with it."""

MAX_PROMPT_LENGTH = 2000  # characters of a prompt to expand


class PromptRequest(BaseModel):
    """One request for prompts. Numbers out of range are refused, naming the field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT_LENGTH)]
    model: str = ""  # "" is the first that is installed, else the embedded one
    count: Annotated[int, Field(ge=1, le=50)] = 5
    seed: Annotated[int, Field(ge=-1, le=2**32 - 1)] = -1  # -1 draws one
    temperature: Annotated[float, Field(ge=0.05, le=3)] | None = None
    top_k: Annotated[int, Field(ge=1, le=300)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=1, le=2)] | None = None
    max_length: Annotated[int, Field(ge=8, le=400)] | None = None  # tokens, those asked included


class PromptModelSettings(BaseModel):
    """Template and sampling settings of a model, from ``easel-prompt.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: str = TEMPLATE_V1
    temperature: Annotated[float, Field(ge=0.05, le=3)] = 1.0
    top_k: Annotated[int, Field(ge=1, le=300)] = 50
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    repetition_penalty: Annotated[float, Field(ge=1, le=2)] = 1.1
    max_length: Annotated[int, Field(ge=8, le=400)] = 384
    negative_prompt: str = ""

    def with_request(self, request: PromptRequest) -> "PromptModelSettings":
        """These settings with the overrides of a request."""
        own = {
            name: value for name in REQUEST_FIELDS if (value := getattr(request, name)) is not None
        }
        return self.model_copy(update=own)

    def format_prompt(self, prompt: str) -> str:
        """The text that the model goes on with."""
        return self.template.replace(PROMPT_PLACEHOLDER, prompt)

    @property
    def continues(self) -> bool:
        """Whether the model's answer goes on where the prompt ends."""
        return self.template == PLAIN_TEMPLATE


REQUEST_FIELDS = ("temperature", "top_k", "top_p", "repetition_penalty", "max_length")
VENDOR_MODEL_TYPES = frozenset({"bloom"})
"""``model_type`` of the vendor's models; others just go on, or translate, without a template."""


def find_models(models: Path) -> tuple[Path, ...]:
    """Folders under ``models/BeautifulPrompt`` that hold a language model."""
    folder = models / FOLDER
    paths = folder.iterdir() if folder.is_dir() else ()
    return tuple(sorted(path for path in paths if _is_valid_name(path.name) and _is_model(path)))


def _is_valid_name(name: str) -> bool:
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


def read_settings(folder: Path) -> PromptModelSettings:
    """How the model in ``folder`` is asked. Raises ``ValueError`` for a bad ``easel-prompt.json``.

    Without that file: the vendor's second template for names that end in "v2", the first for
    other BLOOM models, none for the rest.
    """
    own = _read_json(folder / SETTINGS_FILE)
    if "template" not in own:
        bloom = _read_json(folder / "config.json").get("model_type") in VENDOR_MODEL_TYPES
        own["template"] = (
            (TEMPLATE_V2 if folder.name.endswith("v2") else TEMPLATE_V1)
            if bloom
            else PLAIN_TEMPLATE
        )
    if PROMPT_PLACEHOLDER not in own["template"]:
        raise ValueError(
            f"{folder.name}/{SETTINGS_FILE}: the template has no {PROMPT_PLACEHOLDER}."
        )
    try:
        return PromptModelSettings.model_validate(own)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{folder.name}/{SETTINGS_FILE}: {place}: {first['msg']}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except FileNotFoundError:
        return {}
    except ModelUnreadable as error:
        raise ValueError(f"{path.parent.name}/{error}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.parent.name}/{path.name}: {reason_of(error)}") from error
    return content if isinstance(content, dict) else {}
