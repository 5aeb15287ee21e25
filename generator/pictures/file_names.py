"""File names of saved pictures: patterns of ``[tokens]`` (contract section 6.5). No torch.

Nothing that a pattern or a prompt holds leaves its folder: see :func:`safe_name`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

LONGEST_PART = 128  # characters of a token's value
LONGEST_NAME = 200  # bytes of UTF-8; file systems take 255, with number, suffix and ending
MOST_FOLDERS = 16  # one in another
FORBIDDEN = frozenset('#<>:"/\\|?*')
TOKEN = re.compile(r"\[([^\[\]<>]*)((?:<[^<>]*>)*)\]")
ARGUMENT = re.compile(r"<([^<>]*)>")
BETWEEN_WORDS = re.compile(r"[\s!-/:-@\[-`{-~]+")
HASH_LENGTH = 8  # hex digits of a prompt's hash, unless the token says otherwise
NO_WORDS = "empty"  # of a prompt without any
WITH_FOLDERS, WITHOUT_FOLDERS = "[seed]", "[seed]-[prompt_spaces]"
"""The usual pattern of a file's name."""


@dataclass(frozen=True, slots=True)
class NamingRules:
    """The options about names."""

    pattern: str = ""  # samples_filename_pattern; "" is the usual one
    folder_pattern: str = "[date]"  # directories_filename_pattern; "" is [prompt_words]
    picture_folders: bool = True  # save_to_dirs
    grid_folders: bool = True  # grid_save_to_dirs
    numbered: bool = True  # save_images_add_number
    replace: bool = True  # a file of the same name, where it has no number; else -1, -2, ...
    long_grid_names: bool = False  # grid_extended_filename
    words: int = 8  # directories_max_prompt_words

    @property
    def name_pattern(self) -> str:
        """The pattern of a picture's name."""
        return self.pattern or (WITH_FOLDERS if self.picture_folders else WITHOUT_FOLDERS)

    def folders(self, facts: "FileNameFacts", *, grid: bool = False) -> tuple[str, ...]:
        """The folders, one in another, that a picture's file goes into; none is possible."""
        if not (self.grid_folders if grid else self.picture_folders):
            return ()
        path_text = render_pattern(self.folder_pattern or "[prompt_words]", facts, self.words)
        parts = (safe_name(part) for part in re.split(r"[/\\]", path_text)[:MOST_FOLDERS])
        return tuple(part for part in parts if part)

    def stem(self, facts: "FileNameFacts", *, grid: bool = False) -> str:
        """A picture's name without number, suffix and ending; "" is possible."""
        if grid and not self.long_grid_names:
            return ""
        return safe_name(render_pattern(self.name_pattern, facts, self.words))


@dataclass(frozen=True, slots=True)
class FileNameFacts:
    """What names tell of a picture. A None makes its token, and the text before it, vanish."""

    seed: int
    now: datetime
    first_seed: int = 0
    last_seed: int | None = None  # None in a job of one picture
    steps: int = 20
    guidance: float = 7.0
    width: int = 512
    height: int = 512
    styles: tuple[str, ...] = ()
    sampler: str = ""
    schedule: str = ""  # "" or "Automatic": the sampler's own
    model: str = ""
    model_hash: str | None = ""
    vae: str | None = None  # a file's name
    job_timestamp: str = ""
    prompt: str = ""
    bare_prompt: str = ""  # before its styles
    negative_prompt: str = ""
    batch_number: int | None = None  # from 1; None in batches of one
    batch_size: int = 1
    generation_number: int | None = None  # from 1; None in a job of one picture
    clip_skip: int = 1
    denoising: float | None = None
    user: str = ""
    pixels: Callable[[], bytes] = field(default=bytes)


def render_pattern(pattern: str, facts: FileNameFacts, words: int = 8) -> str:
    """``pattern`` with its tokens replaced by safe text; unknown ones stay as they are."""
    done, at = [], 0
    for match in TOKEN.finditer(pattern):
        text, at = pattern[at : match.start()], match.end()
        token = TOKENS.get(match[1].lower())
        if token is None:
            done.append(text + match[0])
            continue
        value = token(facts, ARGUMENT.findall(match[2]), words)
        if value is not None:
            done.append(text + clean_part(value))
    return "".join(done) + pattern[at:]


def clean_part(value: str) -> str:
    """A token's value without what a file's name cannot hold, at most 128 characters."""
    return clean_text(value).lstrip(" ")[:LONGEST_PART].rstrip(" .")


def clean_text(text: str) -> str:
    """``text`` with ``_`` for separators, reserved and control characters, lone surrogates."""
    return "".join(
        "_" if letter in FORBIDDEN or unicodedata.category(letter) in ("Cc", "Cs") else letter
        for letter in text
    )


def safe_name(name: str) -> str:
    """One part of a path: never a separator or hidden; at most 200 bytes; maybe ""."""
    cleaned = clean_text(name).lstrip(" ")
    cut = cleaned.encode()[:LONGEST_NAME].decode(errors="ignore")
    bare = cut.rstrip(" .")
    return f"_{bare[1:]}" if bare.startswith(".") else bare


Token = Callable[[FileNameFacts, Sequence[str], int], str | None]


def simple_token(read: Callable[[FileNameFacts], object]) -> Token:
    """A token that takes no arguments."""

    def token(facts: FileNameFacts, arguments: Sequence[str], words: int) -> str | None:
        value = read(facts)
        return None if value is None else str(value)

    return token


def hash_token(read: Callable[[FileNameFacts], bytes], length: int | None = HASH_LENGTH) -> Token:
    """A token of so many hex digits of a SHA-256; all where ``length`` is None."""

    def token(facts: FileNameFacts, arguments: Sequence[str], words: int) -> str:
        wanted = arguments[0] if arguments else ""
        count = int(wanted) if wanted.isascii() and wanted.isdecimal() else length
        return hashlib.sha256(read(facts)).hexdigest()[:count]

    return token


def to_utf8(text: str) -> bytes:
    """UTF-8, whatever a client sent."""
    return text.encode(errors="replace")


def format_datetime(facts: FileNameFacts, arguments: Sequence[str], words: int) -> str:
    """``[datetime<format><zone>]``; what is no format or no zone counts as not given."""
    now = facts.now
    try:
        now = now.astimezone(ZoneInfo(arguments[1])) if len(arguments) > 1 else now
    except (KeyError, ValueError, OSError):
        now = facts.now
    try:
        return now.strftime(arguments[0] if arguments and arguments[0] else "%Y%m%d%H%M%S")
    except ValueError:
        return f"{now:%Y%m%d%H%M%S}"


def first_words(facts: FileNameFacts, arguments: Sequence[str], words: int) -> str:
    """The first words of the prompt."""
    prompt_words = [word for word in BETWEEN_WORDS.split(facts.prompt) if word]
    return " ".join((prompt_words or [NO_WORDS])[:words])


def words_of_prompt(facts: FileNameFacts, arguments: Sequence[str], words: int) -> str:
    """``[hasprompt<word|default>...]``: each word that the prompt holds, else its default."""
    prompt, chosen = facts.prompt.lower(), []
    for argument in arguments:
        word, _, default = argument.partition("|")
        chosen.append(word if word.lower() in prompt else default)
    return "".join(chosen)


def sampler_and_schedule(facts: FileNameFacts) -> str:
    """Both names, or the sampler's alone where it chooses its schedule."""
    own = facts.schedule in ("", "Automatic")
    return facts.sampler if own else f"{facts.sampler} {facts.schedule}"


TOKENS: Mapping[str, Token] = MappingProxyType(
    {
        "seed": simple_token(lambda facts: facts.seed),
        "seed_first": simple_token(lambda facts: facts.first_seed),
        "seed_last": simple_token(lambda facts: facts.last_seed),
        "steps": simple_token(lambda facts: facts.steps),
        "cfg": simple_token(lambda facts: facts.guidance),
        "width": simple_token(lambda facts: facts.width),
        "height": simple_token(lambda facts: facts.height),
        "styles": simple_token(lambda facts: ", ".join(facts.styles) or "None"),
        "sampler": simple_token(lambda facts: facts.sampler),
        "scheduler": simple_token(lambda facts: facts.schedule),
        "sampler_scheduler": simple_token(sampler_and_schedule),
        "model_hash": simple_token(lambda facts: facts.model_hash or ""),
        "model_name": simple_token(lambda facts: facts.model),
        "vae_filename": simple_token(lambda facts: (facts.vae or "NoneType").partition(".")[0]),
        "date": simple_token(lambda facts: facts.now.date().isoformat()),
        "datetime": format_datetime,
        "job_timestamp": simple_token(lambda facts: facts.job_timestamp),
        "prompt_hash": hash_token(lambda facts: to_utf8(facts.prompt)),
        "negative_prompt_hash": hash_token(lambda facts: to_utf8(facts.negative_prompt)),
        "full_prompt_hash": hash_token(
            lambda facts: to_utf8(f"{facts.prompt} {facts.negative_prompt}")
        ),
        "prompt": simple_token(lambda facts: facts.prompt.replace(" ", "_")),
        "prompt_no_styles": simple_token(lambda facts: facts.bare_prompt),
        "prompt_spaces": simple_token(lambda facts: facts.prompt),
        "prompt_words": first_words,
        "hasprompt": words_of_prompt,
        "batch_number": simple_token(lambda facts: facts.batch_number),
        "batch_size": simple_token(lambda facts: facts.batch_size),
        "generation_number": simple_token(lambda facts: facts.generation_number),
        "clip_skip": simple_token(lambda facts: facts.clip_skip),
        "denoising": simple_token(lambda facts: facts.denoising),
        "user": simple_token(lambda facts: facts.user),
        "image_hash": hash_token(lambda facts: facts.pixels(), None),
        "none": simple_token(lambda facts: ""),
    }
)
"""Every token by its name in small letters."""
