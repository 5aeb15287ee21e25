"""The bodies of ``create/`` and ``train/``: keyword arguments of AUTOMATIC1111's functions."""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from webapp.errors import Refused
from webapp.requests.coercion import Bool, Float, Int, Str
from webapp.requests.fields import invalid_fields, read_body

MAX_VECTORS = 75  # that a prompt's chunk holds
MAX_STEPS = 1_000_000
UNKNOWN, MISSING = "extra_forbidden", "missing"
Body = TypeVar("Body", bound=BaseModel)


class CreateEmbeddingBody(BaseModel):
    """A learned word to make."""

    model_config = ConfigDict(extra="forbid")

    name: Str = Field(max_length=100)
    num_vectors_per_token: Int = Field(ge=1, le=MAX_VECTORS)
    overwrite_old: Bool
    init_text: Str = Field("*", max_length=2000)


class TrainEmbeddingBody(BaseModel):
    """A learned word to train. What is drawn meanwhile (``preview_*``) is taken and not drawn."""

    model_config = ConfigDict(extra="forbid")

    id_task: Str | None = None
    embedding_name: Str
    learn_rate: Str | Float = "0.005"
    batch_size: Int = Field(1, ge=1, le=64)
    gradient_step: Int = Field(1, ge=1, le=256)
    data_root: Str
    log_directory: Str = "textual_inversion"
    training_width: Int = Field(512, ge=64, le=2048, multiple_of=8)
    training_height: Int = Field(512, ge=64, le=2048, multiple_of=8)
    varsize: Bool = False
    steps: Int = Field(100_000, ge=1, le=MAX_STEPS)
    clip_grad_mode: Literal["disabled", "value", "norm"] = "disabled"
    clip_grad_value: Str | Float = "0.1"
    shuffle_tags: Bool = False
    tag_drop_out: Float = Field(0, ge=0, le=1)
    latent_sampling_method: Literal["once", "deterministic", "random"] = "once"
    use_weight: Bool = False
    create_image_every: Int = 0
    save_embedding_every: Int = Field(0, ge=0, le=MAX_STEPS)
    template_filename: Str = "style_filewords.txt"
    save_image_with_stored_embedding: Bool = False
    preview_from_txt2img: Bool = False
    preview_prompt: Any = None
    preview_negative_prompt: Any = None
    preview_steps: Any = None
    preview_sampler_name: Any = None
    preview_cfg_scale: Any = None
    preview_seed: Any = None
    preview_width: Any = None
    preview_height: Any = None


class CreateHypernetworkBody(BaseModel):
    """A hypernetwork to make."""

    model_config = ConfigDict(extra="forbid")

    name: Any
    enable_sizes: Any
    overwrite_old: Any
    layer_structure: Any = None
    activation_func: Any = None
    weight_init: Any = None
    add_layer_norm: Any = False
    use_dropout: Any = False
    dropout_structure: Any = None


def read_arguments(model: type[Body], body: object, function: str) -> Body:
    """The arguments of a function. Raises ``Refused`` where one is unknown or missing.

    AUTOMATIC1111 answers those two with its envelope; all else is told in pydantic's list.
    """
    if not isinstance(body, dict):
        return read_body(model, body)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        for entry in error.errors():
            name = entry["loc"][-1]
            if entry["type"] == UNKNOWN:
                known = ", ".join(model.model_fields)
                raise Refused(f"{name}: {function} takes no such argument; {known}.") from None
            if entry["type"] == MISSING:
                raise Refused(f"{name}: {function} cannot do without this argument.") from None
        raise invalid_fields(error) from None
