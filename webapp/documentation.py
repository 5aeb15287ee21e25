"""The pages of docs/ that are made from tables: ``python -m webapp.documentation`` writes them."""

import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from generator.models.families.architecture import PARTS
from generator.models.families.detection_table import RULES, Rule
from generator.models.file_contents import FileContents
from generator.models.quantisation import WeightFormat
from webapp.refusal_codes import GROUPS
from webapp.service_files.key_table import KEYS, ServiceKey
from webapp.settings.editions import EDITIONS
from webapp.settings.flags import FLAGS, Flag
from webapp.settings.options_table import OPTIONS, Option

DOCS = Path(__file__).resolve().parents[1] / "docs"
WIDTH = 110  # of a line, in characters
FLAGS_OPENING = """# Flags

`./webui.sh [flags]`. Every flag has an environment variable: `--data-dir` is `EASEL_DATA_DIR`,
`EASEL_NO_HASHING=1` is `--no-hashing`; several paths are separated by colons. The command line
beats `COMMANDLINE_ARGS`, which beats the environment's `EASEL_*`. An unknown flag is an error that
names the nearest known one. This page is made from `webapp/settings/flags.py` by `make docs`.
"""
FLAGS_CLOSING = """## Accepted and ignored

So that command lines for AUTOMATIC1111 or the vendor's service start unchanged; logged once.
"""
EDITIONS_OPENING = """# Editions

`./webui.sh --edition NAME` stands for the flags below. A flag that you give wins over its preset,
also in `COMMANDLINE_ARGS` or `EASEL_*`; `EASEL_NOWEBUI=0` leaves a switch off. An edition that the
vendor's [service file](service-files.md) names is started by `./webui.sh up`. This page is made
from `webapp/settings/editions.py` by `make docs`.

| edition | flags | the vendor's image, type | what it is |
|---|---|---|---|
"""
KEYS_OPENING = """# Keys of service files

What `easel up` makes of each key ([service files](service-files.md)). `[]` is any element of a
list, `*` any names; dots may be objects within objects. `null` is not given. Any other key is an
error that names the nearest one. This page is made from `webapp/service_files/key_table.py` by
`make docs`.

| key | takes | here |
|---|---|---|
"""
KEYS_CLOSING = """
## Without effect

Accepted, and listed with its value by `easel up`:

"""
OPTIONS_OPENING = """# Options

`GET` and `POST /sdapi/v1/options`, kept in `config.json` in the data directory. Names and defaults
are AUTOMATIC1111's; each is shown with its default and what it takes. This page is made from
`webapp/settings/options_table.py` by `make docs`.

## Options that act
"""
IDLE_OPENING = """
## Idle options

Nothing reads these; they are kept and answered, so that clients keep working. At the end, behind a
default, those that share it.
"""
KINDS_OPENING = """# Kinds of model files

A checkpoint is told by the names and sizes of its tensors; its header is all that is read. The
first row that holds counts; what a row must not find is left out here. Names stand behind
`model.diffusion_model.`, `net.`, `transformer.` or bare; `a.` and `a_` stand for every name that
begins so, `*.a` for every one that ends so. Each kind is listed; one that is not drawn with is 422
with its name when it is chosen ([models](models.md)). This page is made from
`generator/models/families/detection_table.py` by `make docs`.
"""
PARTS_OPENING = """
## Parts and other files
"""
FORMATS_OPENING = """
## Formats of quantised weights

Told by the metadata `_quantization_metadata`, a layer's `.comfy_quant`, the names of tensors, or
the file's name (`svdq`, `sdnq`); a `.gguf` by its header. None is drawn with. Plain float8 is no
such format: it is read.
"""
ERRORS_OPENING = """# Errors

What is refused or fails is answered in AUTOMATIC1111's envelope `{"error", "detail", "body",
"errors"}`, fields of a wrong type in pydantic's list `{"detail": [...]}`; `detail` is the sentence
for people. Beside it stand, for programs:

* `code`: one of the words below. They stay; sentences may change.
* `field`: the path of the field in the request, such as `width` or
  `alwayson_scripts.controlnet.args.0.weight`; the name of an option is one in `override_settings`
  or in force; empty where no field is at fault.
* `values`: what was asked, and what may be, by name; `label` is the name of a script's argument,
  `unit` the place of a ControlNet unit among those that are on.
* `others`: the same of further fields, where several are at fault.

What a worker refuses is answered alike. Below `/v1` errors have OpenAI's form, and addresses that
are not here have AUTOMATIC1111's `{"detail": "Not Found"}`. This page is made from
`webapp/refusal_codes.py` by `make docs`.
"""


def flags_page() -> str:
    """docs/flags.md: every flag of the table, those that work first."""
    lines = [FLAGS_OPENING]
    for section in dict.fromkeys(flag.section for flag in FLAGS if flag.is_supported):
        rows = [flag for flag in FLAGS if flag.section == section and flag.is_supported]
        lines += [f"## {section}", ""]
        lines += [f"* `{flag_usage(flag)}`: {flag.help}" for flag in rows] + [""]
    ignored = [flag for flag in FLAGS if not flag.is_supported]
    lines.append(FLAGS_CLOSING)
    for why in dict.fromkeys(flag.help for flag in ignored):
        usages = ", ".join(f"`{flag_usage(flag)}`" for flag in ignored if flag.help == why)
        lines.append(f"* {why} {usages}")
    return "\n".join(lines) + "\n"


def editions_page() -> str:
    """docs/editions.md: each edition with the flags that it stands for."""
    rows = []
    for edition in EDITIONS:
        flags = [" ".join(filter(None, (f"--{name}", text))) for name, text in edition.presets]
        vendor = [f"`x.x-{edition.image}`" if edition.image else "", edition.service_type]
        cells = (
            f"`{edition.name}`",
            f"`{' '.join(flags)}`" if flags else "none",
            ", ".join(filter(None, vendor)) or "(managed)",
            edition.help,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return EDITIONS_OPENING + "\n".join(rows) + "\n"


def service_keys_page() -> str:
    """docs/service-keys.md: every key of service files, those that act first."""
    rows = [
        f"| {_spellings(key)} | {key.takes} | {_as_code(key.meaning)} |"
        for key in KEYS
        if key.is_used
    ]
    unused = [key for key in KEYS if not key.is_used]
    groups = [
        f"* {_as_code(why)} {', '.join(_spellings(key) for key in unused if key.meaning == why)}"
        for why in dict.fromkeys(key.meaning for key in unused)
    ]
    return KEYS_OPENING + "\n".join(rows) + "\n" + KEYS_CLOSING + "\n".join(groups) + "\n"


def _spellings(key: ServiceKey) -> str:
    return ", ".join(f"`{name}`" for name in (key.name, *key.spellings))


def _as_code(text: str) -> str:
    """A sentence with its flags marked."""
    return re.sub(r"--[a-z-]+( (api|cluster))?", lambda flag: f"`{flag[0]}`", text)


def flag_usage(flag: Flag) -> str:
    """A flag as one types it, with its aliases and what it takes."""
    dashes = "-" if len(flag.name) == 1 else "--"
    names = ", ".join([dashes + flag.name, *(f"--{alias}" for alias in flag.aliases)])
    takes = {"switch": "", "integer": " N", "size": " SIZE", "path": " PATH", "paths": " PATH"}
    return names + takes.get(flag.kind, " TEXT")


def options_page() -> str:
    """docs/options.md: the options that act, in the table's order, then the idle ones."""
    active = [_option_line(option) for option in OPTIONS if not option.idle]
    idle = _idle_lines([option for option in OPTIONS if option.idle])
    lines = [OPTIONS_OPENING, "```", *active, "```", IDLE_OPENING, "```", *idle, "```"]
    return "\n".join(lines) + "\n"


def _idle_lines(options: Sequence[Option]) -> list[str]:
    """Those with limits or a default of their own in a line each, then the others by default."""
    names: dict[str, list[str]] = {}
    for option in options:
        if not _limits(option):
            names.setdefault(_default(option), []).append(option.name)
    shared = {default for default, group in names.items() if len(group) > 1}
    single = [_option_line(o) for o in options if _limits(o) or _default(o) not in shared]
    grouped = [
        line
        for default, group in names.items()
        if default in shared
        for line in textwrap.wrap(f"{default}: {' '.join(group)}", WIDTH, break_on_hyphens=False)
    ]
    return [*single, "", *grouped]


def _option_line(option: Option) -> str:
    limits = _limits(option)
    return f"{option.name}: {_default(option)}" + (f"  # {limits}" if limits else "")


def _default(option: Option) -> str:
    return json.dumps(option.default, ensure_ascii=False)


def _limits(option: Option) -> str:
    if option.choices:
        return ", ".join(option.choices)
    return "" if option.least is None else f"{option.least:g} to {option.most:g}"


def kinds_page() -> str:
    """docs/model-kinds.md: every kind of file in the order in which it is told, and its rows."""
    rows = [rule for rule in RULES if rule.architecture not in PARTS]
    lines = [KINDS_OPENING, *_kinds_table(rows), PARTS_OPENING]
    lines += _kinds_table([rule for rule in RULES if rule.architecture in PARTS])
    formats = ", ".join(each.label for each in WeightFormat)
    return "\n".join([*lines, FORMATS_OPENING, f"{formats}."]) + "\n"


def _kinds_table(rules: Sequence[Rule]) -> list[str]:
    lines = ["| kind | drawn with | names of | told by |", "|---|---|---|---|"]
    for rule in rules:
        drawn = "yes" if FileContents(architecture=rule.architecture).is_drawable else ""
        cells = (rule.architecture.label, drawn, rule.layout.value, _marks(rule))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _marks(rule: Rule) -> str:
    """What a row asks for, in words."""
    names = [f"`{name}`" for name in rule.required]
    for name, axis, sides in rule.sizes:
        shown = " or ".join(map(str, sides[:4])) + ", …" * (len(sides) > 4)
        names.append(f"axis {axis} of `{name}`: {shown}")
    one_of = " or ".join(f"`{name}`" for name in rule.one_of)
    return "; ".join([*names, *filter(None, [one_of])])


def errors_page() -> str:
    """docs/errors.md: every code with its meaning and the names of its values."""
    lines = [ERRORS_OPENING]
    for title, codes in GROUPS.items():
        lines += [f"## {title}", "", "| code | meaning | values |", "|---|---|---|"]
        lines += [
            f"| `{code.name}` | {code.meaning} | {', '.join(f'`{name}`' for name in code.values)} |"
            for code in codes
        ]
        lines.append("")
    return "\n".join(lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "flags.md": flags_page,
    "editions.md": editions_page,
    "service-keys.md": service_keys_page,
    "options.md": options_page,
    "model-kinds.md": kinds_page,
    "errors.md": errors_page,
}


def write_pages(folder: Path = DOCS) -> None:
    """Write every page into ``folder``."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_pages()
