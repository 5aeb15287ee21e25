"""Bodies of frames: the worker's requests as JSON, by pydantic."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter

from generator.interrogation.requests import InterrogationRequest
from generator.model_tools.recipes import ModelRecipe
from generator.pictures.file_names import NamingRules
from generator.request import ControlUnit, ExtrasRequest, GenerationRequest
from generator.textual_inversion.config import EmbeddingSpec, TrainingConfig

GENERATE = "generate"
"""``Frame.kind`` of a :class:`QueuedGeneration`."""

EXTRAS = "extras"
"""``Frame.kind`` of an :class:`QueuedExtras`."""

DETECT = "detect"
"""``Frame.kind`` of a :class:`QueuedDetection`."""

CREATE_EMBEDDING = "make-word"
"""``Frame.kind`` of a :class:`~generator.textual_inversion.config.EmbeddingSpec`."""

TRAIN_EMBEDDING = "train-word"
"""``Frame.kind`` of a :class:`QueuedTraining`."""


INTERROGATE = "describe"
"""``Frame.kind`` of a :class:`~generator.interrogation.requests.InterrogationRequest`."""


MERGE_MODELS = "merge-models"
CONVERT_MODEL = "convert-model"
"""``Frame.kind`` of a :class:`~generator.model_tools.recipes.ModelRecipe`."""


PLUGIN = "plugin"
"""``Frame.kind`` of a :class:`QueuedPluginTask`."""

REQUEST_TAG = "request"
"""Tag of a frame: the id of the request it came by, for the worker's log."""

AnswerForm = Literal["sdapi", "openai", "openai-urls"]
"""AUTOMATIC1111's and the vendor's; OpenAI's with pictures, or with addresses of saved ones."""

MODELS_TAG = "models"
"""Tag of a frame: the version of the list of models that its caller was told, see the worker."""

TREE_TAG = "tree"
"""Tag of a frame: the name of its owner's tree; not there for what is done in the data directory
itself."""

PICTURES_TAG = "pictures"
"""Tag of a frame whose pictures are kept for watchers, each as soon as it is drawn."""


@dataclass(frozen=True, slots=True)
class FileRules:
    """What is written for a picture, by AUTOMATIC1111's options (contract section 7.3)."""

    grid_format: str = "png"
    webp_lossless: bool = False
    text_beside: bool = False  # save_txt
    small_copy: bool = False  # export_for_4chan: a JPEG beside what is too large
    large_bytes: float = 4.0 * 1024 * 1024  # img_downscale_threshold
    large_side: int = 4000  # target_side_length, pixels


@dataclass(frozen=True, slots=True)
class GridRules:
    """How the grid (contact sheet) of a job is laid out (contract section 6.6)."""

    rows: int = -1  # n_rows: -1 nearly square, 0 a row a batch
    fill_evenly: bool = False  # grid_prevent_empty_spots
    background: str = "#ffffff"  # grid_background_color
    only_of_several: bool = True  # grid_only_if_multiple


@dataclass(frozen=True, slots=True)
class SaveOptions:
    """Where and how the pictures of a job are saved. Paths are relative to the data directory."""

    samples_dir: str  # without the folders that ``names`` makes in it
    grids_dir: str
    naming: Literal["easel", "vendor"] = "easel"
    url_prefix: str = ""  # what stands before the path in the vendor's image_url
    save_samples: bool = True
    save_grid: bool = True
    return_grid: bool = False
    maps_dir: str | None = None  # of the vendor's answer: masks, ControlNet's maps
    names: NamingRules = field(default_factory=NamingRules)
    files: FileRules = field(default_factory=FileRules)
    sheet: GridRules = field(default_factory=GridRules)
    spare: int = 0  # bytes that saving leaves free on the disk


@dataclass(frozen=True, slots=True)
class EasExtras:
    """The vendor's extras of a request (its guide, "API extra parameters"); None: not given."""

    id_task: str | None = None
    uid: str | None = None
    save_dir: str | None = None
    sd_model_checkpoint: str | None = None
    sd_vae: str | None = None


@dataclass(frozen=True, slots=True)
class QueuedGeneration:
    """A picture request and how it is to be answered."""

    request: GenerationRequest
    route: Literal["txt2img", "img2img"]
    echo: dict[str, Any]  # the answer's ``parameters``, defaults filled in
    send_images: bool = True
    save: SaveOptions | None = None
    origins_dir: str | None = None  # where img2img's own pictures are kept, by fingerprint
    extras: EasExtras | None = None
    answer_format: str = "png"  # of the pictures in the answer: png | jpg | jpeg | webp
    answer_quality: int = 80  # JPEG and WebP, 1..100
    form: AnswerForm = "sdapi"

    # A request may carry infinities (s_tmax); pydantic writes them as null unless told otherwise.
    __pydantic_config__: ClassVar[ConfigDict] = {"ser_json_inf_nan": "constants"}


@dataclass(frozen=True, slots=True)
class QueuedExtras:
    """Pictures to enlarge and how they are to be answered."""

    request: ExtrasRequest
    single: bool  # one picture as ``image``, or a list as ``images``
    answer_format: str = "png"
    answer_quality: int = 80


@dataclass(frozen=True, slots=True)
class QueuedDetection:
    """Pictures to draw ControlNet's maps of; each unit has one, and all else alike."""

    units: tuple[ControlUnit, ...]
    user_name: str = ""  # who asked, "" for the owner


@dataclass(frozen=True, slots=True)
class QueuedTraining:
    """A word to train, with pictures by their paths below the data directory."""

    lesson: TrainingConfig
    pictures: tuple[tuple[str, str], ...]  # path, words


@dataclass(frozen=True, slots=True)
class QueuedPluginTask:
    """Work that a plugin's route hands to its worker side."""

    plugin: str
    verb: str
    body: Any


PLUGIN_TASKS: TypeAdapter[QueuedPluginTask] = TypeAdapter(QueuedPluginTask)
NEW_EMBEDDINGS: TypeAdapter[EmbeddingSpec] = TypeAdapter(EmbeddingSpec)
MODEL_RECIPES: TypeAdapter[ModelRecipe] = TypeAdapter(ModelRecipe)
TRAININGS: TypeAdapter[QueuedTraining] = TypeAdapter(QueuedTraining)
INTERROGATIONS: TypeAdapter[InterrogationRequest] = TypeAdapter(InterrogationRequest)
EXTRAS_REQUESTS: TypeAdapter[QueuedExtras] = TypeAdapter(QueuedExtras)
DETECTIONS: TypeAdapter[QueuedDetection] = TypeAdapter(QueuedDetection)
GENERATIONS: TypeAdapter[QueuedGeneration] = TypeAdapter(QueuedGeneration)


def encode_job(job: QueuedGeneration) -> bytes:
    """A job as JSON bytes. Raises ``PydanticSerializationError`` for what JSON cannot hold."""
    return GENERATIONS.dump_json(job)


def decode_job(body: bytes) -> QueuedGeneration:
    """The job that :func:`encode_job` wrote. Raises ``pydantic.ValidationError`` for anything
    else.
    """
    return GENERATIONS.validate_json(body)
