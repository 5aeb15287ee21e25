"""The fields that both drawing routes know, in the groups in which AUTOMATIC1111 orders them."""

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from webapp.errors import Fault, InvalidFields
from webapp.requests.coercion import Anything, Bool, Float, Int, Object, Str, Strings

Route = Literal["txt2img", "img2img"]


class JobFields(BaseModel):
    """What to draw. Unknown fields are ignored, as AUTOMATIC1111 does."""

    model_config = ConfigDict(extra="ignore")

    prompt: Str | None = ""
    negative_prompt: Str | None = ""
    styles: Strings | None = None
    seed: Int | None = -1
    subseed: Int | None = -1
    subseed_strength: Float | None = 0
    seed_resize_from_h: Int | None = -1
    seed_resize_from_w: Int | None = -1
    sampler_name: Str | None = None
    scheduler: Str | None = None
    batch_size: Int | None = 1
    n_iter: Int | None = 1
    steps: Int | None = 50
    cfg_scale: Float | None = 7.0
    width: Int | None = 512
    height: Int | None = 512
    restore_faces: Bool | None = None
    tiling: Bool | None = None
    do_not_save_samples: Bool | None = False
    do_not_save_grid: Bool | None = False
    eta: Float | None = None
    denoising_strength: Float | None = None
    s_min_uncond: Float | None = None
    s_churn: Float | None = None
    s_tmax: Float | None = None
    s_tmin: Float | None = None
    s_noise: Float | None = None
    override_settings: Object | None = None
    override_settings_restore_afterwards: Bool | None = True
    refiner_checkpoint: Str | None = None
    refiner_switch_at: Float | None = None
    disable_extra_networks: Bool | None = False
    firstpass_image: Str | None = None
    comments: Object | None = None


class TaskFields(BaseModel):
    """The task's name, and the sampler's old field."""

    force_task_id: Str | None = None
    sampler_index: Str = "Euler"


class OutputFields(BaseModel):
    """Scripts, and what becomes of the pictures."""

    script_name: Str | None = None
    script_args: Anything = []
    send_images: Bool = True
    save_images: Bool = False
    alwayson_scripts: Object = {}
    infotext: Str | None = None


class GenerationBody(OutputFields, TaskFields, JobFields):
    """What a body says whichever route it came by; a route adds fields of its own between."""

    route: ClassVar[Route]
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}  # of the route's own numbers

    deterministic: Bool | None = None  # ours: the same bits whoever else draws

    def fields_to_echo(self) -> dict[str, object]:
        """Every field of AUTOMATIC1111's, NULLs included, and of ours what was sent."""
        hidden = {"deterministic"} if self.deterministic is None else set()
        return {name: value for name, value in self if name not in hidden}


Body = TypeVar("Body", bound=BaseModel)


def read_body(model: type[Body], body: object, *, lenient: bool = False) -> Body:
    """The request of a JSON body. Raises ``InvalidFields`` naming each field of a wrong type.

    ``lenient``: null for a number that takes none is its default.
    """
    if not isinstance(body, dict):
        raise InvalidFields([Fault(("body",), "value is not a valid dict", "type_error.dict")])
    if lenient:
        body = {key: value for key, value in body.items() if not is_null_default(model, key, value)}
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid_fields(error) from None


def is_null_default(model: type[BaseModel], name: str, value: object) -> bool:
    """Whether a null stands for the default of a number."""
    field = model.model_fields.get(name)
    number = field is not None and field.annotation in (int, float) and not field.is_required()
    return value is None and number


def invalid_fields(error: ValidationError) -> InvalidFields:
    """Pydantic's findings as faults of the body."""
    return InvalidFields([to_fault(entry) for entry in error.errors()])


def to_fault(entry: ErrorDetails) -> Fault:
    """One finding; pydantic v2's word for what is missing becomes v1's."""
    location = ("body", *entry["loc"])
    if entry["type"] == "missing":
        return Fault(location, "field required", "value_error.missing")
    context = entry.get("ctx", {})
    details = {key: str(v) if isinstance(v, Exception) else v for key, v in context.items()}
    return Fault(location, entry["msg"], entry["type"], details)
