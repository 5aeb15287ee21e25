"""Options: checked against their table, kept in ``config.json``, frozen for each job."""

import json
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import ImageColor

from generator.atomic_file import put_aside, write_atomically
from generator.errors import BadRequest
from generator.request import Snapshot
from webapp.errors import Forbidden
from webapp.settings.options_table import OPTIONS, Option
from webapp.settings.state_files import OPTIONS_FILE
from webapp.value_rules import has_type, is_in_range, unknown_choices

if TYPE_CHECKING:
    from webapp.settings.config import Config

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}
DEFAULTS: Mapping[str, object] = {option.name: option.default for option in OPTIONS}
# Options whose values depend on what is installed; a name that is gone must not lock the page.
OPEN_CHOICES = frozenset({"sd_vae", "sd_model_checkpoint", "upscaler_for_img2img"})
SERVICE_OPTIONS = frozenset(
    {"disabled_extensions", "disable_all_extensions", "sd_checkpoints_limit"}
    | {"sd_checkpoints_keep_in_cpu"}
)
"""Options of processes and memory that all users share."""
PRIVATE_OPTIONS = ("outdir_", "sd_vae", "sd_hypernetwork", "sd_lora")
"""What names of options begin with that hold folders, or models that are a user's own."""
PLUGINS_KEY = "easel_plugins"
"""Key of ``config.json`` under which plugins' settings stand; no option of AUTOMATIC1111's."""

Alone = Callable[[], AbstractContextManager[object]]
"""Makes a block that no two processes are in at once."""

MIN_RHO = 0.01  # the schedules raise sigmas to 1/rho
TYPE_NAMES: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    type(None): "a name or null",
}


def _is_colour(value: Any) -> bool:
    try:
        ImageColor.getrgb(value)
    except ValueError:
        return False
    return True


COLOUR = (_is_colour, "a colour such as #ffffff")
CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "img2img_background_color": COLOUR,
    "grid_background_color": COLOUR,
    "grid_text_active_color": COLOUR,
    "grid_text_inactive_color": COLOUR,
    "rho": (lambda value: value == 0 or value >= MIN_RHO, f"0 or {MIN_RHO} to 100"),
}
"""What a type and two limits cannot tell: whether a value fits, and which ones do."""

log = logging.getLogger("easel")


class OptionStore:
    """The options of one data directory; safe for threads, written atomically.

    A ``config.json`` that is no JSON object is put aside as ``config.json.damaged-<time>`` and
    the defaults hold. Values in it that do not fit their option are left out, those of unknown
    names are kept in the file and not shown. ``flags`` are start flags that set an option where the
    file does not; ``read_shared`` does the same for a user of the service. Those of ``enforced``
    are only read there: a user does not change them. ``alone``: entered for each change, where
    other processes make some, too.
    """

    def __init__(
        self,
        path: Path,
        flags: Mapping[str, object] | None = None,
        alone: Alone = nullcontext,
        read_shared: Callable[[], Mapping[str, object]] = dict,
        enforced: frozenset[str] = frozenset(),
    ) -> None:
        self._path, self._alone = path, alone
        self._read_shared = read_shared
        self.enforced = enforced
        self._flags = {name: value for name, value in (flags or {}).items() if value}
        self._lock = threading.Lock()
        self._stored: dict[str, object] = {}
        self._read_at: tuple[int, int] | None = None

    def get(self) -> dict[str, object]:
        """Every option of the table with its value in force."""
        with self._lock:
            self._read()
            known = self._known()
        given = self.inherited()
        chosen = {n: v for n, v in known.items() if v is not None or given.get(n) is None}
        return {**given, **{n: v for n, v in chosen.items() if n not in self.enforced}}

    def update(self, changes: Mapping[str, object]) -> None:
        """Check all of ``changes``, then store them at once, or nothing of them.

        Raises :class:`BadRequest` naming the option, what was sent and what fits, and
        ``Forbidden`` for one that a user may not change.
        """
        checked = self.check(changes)
        with self._alone(), self._lock:
            self._read()
            self._write({**self._stored, **checked})

    def reset(self, names: Collection[str]) -> None:
        """Forget what was set of these: what :meth:`inherited` says holds again, also later.

        Raises :class:`BadRequest` for a name that is no option's, and forgets nothing then.
        """
        for name in names:
            check_name(name)
        with self._alone(), self._lock:
            self._read()
            self._write({n: v for n, v in self._stored.items() if n not in names})

    def inherited(self) -> dict[str, object]:
        """What holds of each option where nothing is set here: the service, a flag, the table."""
        return {**DEFAULTS, **self._flags, **self._read_shared()}

    def own_names(self) -> frozenset[str]:
        """Options that are set here, to what fits them."""
        with self._lock:
            self._read()
            return frozenset(self._known()) - self.enforced

    def check(self, changes: Mapping[str, object]) -> dict[str, object]:
        """The changes in their options' types. Raises as :meth:`update`.

        An enforced option may be sent with the value that it has: clients send all of them back.
        """
        checked = {name: convert_option(name, value) for name, value in changes.items()}
        touched = sorted(self.enforced & checked.keys())
        values = self.get() if touched else {}
        for name in touched:
            if checked[name] != values[name]:
                raise Forbidden(f"{name}: this option is the same for all users; an admin sets it.")
        return {name: value for name, value in checked.items() if name not in self.enforced}

    def plugin_settings(self, name: str) -> Mapping[str, object]:
        """The settings of a plugin that somebody has set; the plugin knows its defaults."""
        settings = self._plugins().get("settings", {})
        return dict(settings.get(name, {})) if isinstance(settings, dict) else {}

    def enabled_plugins(self) -> frozenset[str]:
        """Plugins that are off until somebody turns them on, and that somebody has turned on."""
        return frozenset(map(str, self._plugins().get("enabled", ())))

    def update_plugins(
        self, enabled: frozenset[str], settings: Mapping[str, Mapping[str, object]]
    ) -> None:
        """Store which are turned on, and the settings of some; those of others stay."""
        with self._alone(), self._lock:
            self._read()
            stored = self._stored.get(PLUGINS_KEY)
            settings_before = stored.get("settings", {}) if isinstance(stored, dict) else {}
            plugins = {"enabled": sorted(enabled), "settings": {**settings_before, **settings}}
            self._write({**self._stored, PLUGINS_KEY: plugins})

    def _plugins(self) -> dict[str, Any]:
        with self._lock:
            self._read()
            plugins = self._stored.get(PLUGINS_KEY)
        return plugins if isinstance(plugins, dict) else {}

    def _known(self) -> dict[str, object]:
        """What is stored of the table's options, as far as it fits them."""
        return {n: v for n, v in self._stored.items() if n in BY_NAME and _is_valid(n, v)}

    def _write(self, stored: dict[str, object]) -> None:
        if stored != self._stored:
            write_json(self._path, stored)
            self._stored = stored
            self._read_at = self._stamp()

    def _stamp(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size

    def _read(self) -> None:
        """Read the file again when somebody else changed it (a person, or another process)."""
        stamp = self._stamp()
        if stamp == self._read_at:
            return
        try:
            self._stored = {} if stamp is None else _load(self._path)
        except OSError as error:  # a disk that fails: what was known holds
            log.error("The options in %s cannot be read: %s", self._path, error.strerror)
        self._read_at = self._stamp()


def options_of(config: "Config", alone: Alone = nullcontext) -> OptionStore:
    """The options of the data directory that the flags name."""
    return OptionStore(config.data_dir / OPTIONS_FILE, config.options, alone)


def user_options_of(
    config: "Config", shared: OptionStore, alone: Alone = nullcontext
) -> OptionStore:
    """The options of one user: their own over those of the service, some of which are enforced.

    Folders and models of kinds that are a user's own mean nothing in another's tree: they are not
    taken over.
    """

    def read_shared() -> Mapping[str, object]:
        return {n: v for n, v in shared.get().items() if not n.startswith(PRIVATE_OPTIONS)}

    enforced = SERVICE_OPTIONS | frozenset(config.enforced_options)
    path = config.data_dir / OPTIONS_FILE
    return OptionStore(path, config.options, alone, read_shared, enforced)


def _load(path: Path) -> dict[str, object]:
    """The file's options; none, and the file put aside, where it is no JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
        fault = "it holds no JSON object"
    except FileNotFoundError:  # another process has put it aside
        return {}
    except (ValueError, RecursionError, IsADirectoryError, PermissionError) as error:
        fault = str(error)
    aside = put_aside(path)
    log.error("The options in %s cannot be used (%s): they are kept as %s, and the defaults hold",
              path, fault, aside.name)  # fmt: skip
    return {}


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Replace ``path`` by ``content`` in one step: a reader sees the old file or the new one."""
    write_atomically(path, json.dumps(content, indent=4, ensure_ascii=False).encode())


def without_nulls(changes: Mapping[str, object]) -> dict[str, object]:
    """``changes`` without each null that is no value of its option: it leaves that as it is."""
    return {
        name: value
        for name, value in changes.items()
        if value is not None or DEFAULTS.get(name) is None
    }


def check_name(name: str) -> Option:
    """The option of this name. Raises :class:`BadRequest`."""
    option = BY_NAME.get(name)
    if option is None:
        raise BadRequest(
            f"There is no option {name!r}; GET /sdapi/v1/options lists them.",
            name,
            "unknown_setting",
            value=name,
        )
    return option


def convert_option(name: str, value: object) -> object:
    """The value in its option's type. Raises :class:`BadRequest` naming what fits."""
    option = check_name(name)
    converted = _convert(option, value)
    least, most = option.least, option.most
    if (
        least is not None
        and most is not None
        and converted is not None
        and not is_in_range(converted, least, most)
    ):
        wanted = f"{least:g} to {most:g}"
        raise BadRequest(
            f"The option {name} takes {wanted}, not {value!r}.",
            name,
            "out_of_range",
            value=value,
            least=least,
            most=most,
        )
    if name in CHECKS and not CHECKS[name][0](converted):
        text = f"The option {name} takes {CHECKS[name][1]}, not {value!r}."
        raise BadRequest(text, name, "invalid_value", value=value)
    chosen = converted if isinstance(converted, list) else [converted]
    if option.choices and unknown_choices(chosen, option.choices):
        wanted = ", ".join(option.choices)
        text = f"The option {name} takes one of {wanted}; {value!r} is none."
        raise BadRequest(text, name, "unknown_name", value=value, known=option.choices)
    return converted


def _convert(option: Option, value: object) -> Any:
    """Whole numbers may come as 80.0 (AUTOMATIC1111 answers so), and any number as text."""
    default = option.default
    if option.name in OPEN_CHOICES:
        return _to_name(option, value)
    if default is None:
        return value
    try:
        if isinstance(default, bool):
            return _to_bool(value)
        if isinstance(default, int | float):
            return _to_number(default, value)
    except (KeyError, OverflowError, TypeError, ValueError):
        raise _wrong_type(option, value) from None
    if has_type(value, type(default)):
        return value
    raise _wrong_type(option, value)


def _to_name(option: Option, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise _wrong_type(option, value)


def _to_bool(value: object) -> bool:
    return {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}[
        str(value).lower()
    ]


def _to_number(default: int | float, value: object) -> int | float:
    if isinstance(value, bool):
        raise TypeError(value)
    number = float(value)  # type: ignore[arg-type]
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(value)
    if isinstance(default, float):
        return number
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


def _wrong_type(option: Option, value: object) -> BadRequest:
    wanted = TYPE_NAMES[type(option.default)]
    text = f"The option {option.name} takes {wanted}, not {value!r}."
    expected = type(option.default).__name__
    return BadRequest(text, option.name, "wrong_type", value=value, expected=expected)


def _is_valid(name: str, value: object) -> bool:
    try:
        convert_option(name, value)
    except BadRequest:
        return False
    return True


def to_snapshot(values: Mapping[str, object], overrides: Mapping[str, object]) -> Snapshot:
    """What the engine reads of the options, with a request's ``override_settings`` on top.

    Raises :class:`BadRequest` for an override that does not fit its option.
    """
    checked = {name: convert_option(name, value) for name, value in overrides.items()}
    merged = {**values, **checked}
    chosen: dict[str, Any] = {}
    for field in fields(Snapshot):
        value = merged.get(field.name)
        if value is not None:
            chosen[field.name] = value
    return Snapshot(**chosen)
