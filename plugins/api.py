"""Types of the plugin interface. No torch and no Flask: both processes import it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from generator.control.modules import Slider as Slider
from generator.models.kinds import Folders, ModelKind

ROOM = "easel"  # pluggy's name of our hooks


class Side(StrEnum):
    """The process that a part of a plugin runs in; also the name of its file."""

    WEB = "web"
    WORKER = "worker"


class Scope(StrEnum):
    """Whom a plugin's route answers."""

    OWNER = "owner"
    CALLERS = "callers"  # whoever may draw
    READERS = "readers"  # read-only tokens too; for what changes nothing


def nobody(hook: str, **facts: Any) -> Sequence[tuple[str, Any]]:
    """An ``ask`` that returns no answers, for tests of a single plugin."""
    return ()


@dataclass(frozen=True, slots=True)
class Box:
    """Something found in a picture, in pixels."""

    x: int
    y: int
    width: int
    height: int
    label: str = ""
    score: float = 1.0  # 0..1


@dataclass(frozen=True, slots=True)
class Home:
    """Environment of a plugin: its folders and its current options."""

    name: str
    data_dir: Path
    storage: Path  # a folder of the plugin's own; it is the plugin that makes it
    options: Callable[[], Mapping[str, Any]]
    ask: "Callable[..., Sequence[tuple[str, Any]]]" = nobody
    """Asks every plugin of this process: ``ask("find_boxes", image=...)``, answers by plugin."""
    places: Folders | None = None  # None: the tree below the data directory

    @property
    def models(self) -> Path:
        """The folder of all models: ``models`` in the data directory, or what --models-dir says."""
        return self._places().parents[0]

    def folders(self, kind: str) -> tuple[Path, ...]:
        """Where models of one of Easel's kinds lie ("lora", "vae"), those of --lora-dir too.

        Raises ``ValueError`` for a kind that is none of them.
        """
        return self._places().of(ModelKind(kind))

    def _places(self) -> Folders:
        return self.places or Folders.under(self.data_dir)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a plugin's route, its caller let in already."""

    method: str
    path: str  # below /plugins/<name>, "/model_list"
    query: Mapping[str, str]
    body: Any  # of JSON, None without a body
    caller: str
    owner: bool
    checkpoints: frozenset[str] | None = None  # stems of those the caller may use; None: all


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a plugin's route: JSON, or bytes of another type."""

    body: Any = None
    status: int = 200
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Task:
    """Work for the plugin's ``worker.py``: a route that replies with it waits for the outcome."""

    verb: str
    body: Any


@dataclass(frozen=True, slots=True)
class Route:
    """``answer`` runs in the web process and must be quick; drawing goes through the queue."""

    path: str
    answer: "Callable[[Ask], Reply | Task]"
    methods: Sequence[str] = ("GET",)
    scope: Scope = Scope.CALLERS


class Slot(StrEnum):
    """Where a plugin's part of the page stands."""

    TAB = "tab"
    PANEL = "panel"  # under the prompt of txt2img and img2img
    PICTURE = "picture"  # a button on pictures


@dataclass(frozen=True, slots=True)
class Input:
    """A field of a declared form."""

    name: str
    label: str
    kind: str = "text"  # text | number | switch | choice
    value: Any = ""
    choices: Sequence[str] = ()
    least: float | None = None
    most: float | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A script of the script selector; ``script_args`` are its inputs by position.

    A number whose value and step are whole takes whole numbers.
    """

    title: str
    inputs: Sequence[Input] = ()
    routes: Sequence[str] = ("txt2img", "img2img")


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """What reads a picture for a ControlNet; ``tags`` are kinds of control, such as "Canny"."""

    name: str
    label: str = ""  # "" is the name
    tags: Sequence[str] = ()
    resolution: int | None = 512  # pixels of the short side of what it sees; None: as it comes
    a: Slider | None = None  # the numbers threshold_a and threshold_b
    b: Slider | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: an ES module that the plugin ships, or a form that Easel draws.

    A module's default export is ``mount(element, easel)``; its return value, if any, unmounts. A
    panel's form fills the plugin's entry of ``alwayson_scripts``.
    """

    slot: Slot
    title: str
    module: str = ""  # a file of the plugin's folder "static"
    form: Sequence[Input] = ()
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """An option of a plugin: kept with the others, shown on the Extensions page.

    Where ``value`` is a list, ``choices`` are those that it may hold.
    """

    name: str
    value: Any
    help: str = ""
    choices: Sequence[Any] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A kind of models under ``models/``: files, or folders that hold a model each.

    A safetensors file that has tensors of all the names in ``marks`` is suggested to be uploaded
    here, where it is none of Easel's own kinds.
    """

    kind: str
    folder: str
    suffixes: Sequence[str] = (".safetensors",)
    folders: bool = False
    marks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A number for ``/metrics``: its value now, by label values."""

    name: str
    help: str
    values: Callable[[], Mapping[Sequence[str], float]]
    labels: Sequence[str] = ()
    counter: bool = False
