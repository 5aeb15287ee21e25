"""Translates the body of an embedding training: folders, templates and numbers are checked."""

import os
import re
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from filebrowser.access.gate import Root, check_name, open_place
from filebrowser.errors import BadPath, FileError
from generator.data_folders import EMBEDDINGS_FOLDER
from generator.models.kinds import ModelKind
from generator.textual_inversion.config import EmbeddingSpec, TrainingConfig, read_step_schedule
from generator.workload import MEGA, check_workload
from webapp.errors import Refused
from webapp.files.roots import data_place, data_root
from webapp.queues.job_codec import QueuedTraining
from webapp.requests import eas

if TYPE_CHECKING:
    from webapp.requests.training import CreateEmbeddingBody, TrainEmbeddingBody
    from webapp.services import Services

NAME = re.compile(r"[\w .-]+")
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
MAX_PICTURES = 2000
MAX_TEXT_BYTES = 64 * 1024  # bytes of a template, or of the words beside a picture
TEMPLATES = "textual_inversion_templates"
BUILT_IN = {
    "subject.txt": ("a photo of [name]", "[name]", "a picture that shows [name]"),
    "subject_filewords.txt": ("a photo of [name], [filewords]", "[name], [filewords]"),
    "style.txt": ("a picture in the style of [name]", "a drawing, [name] style"),
    "style_filewords.txt": ("a picture of [filewords] in the style of [name]",),
}
"""What a training is told when the data directory has no file of that name."""


def read_new_embedding(
    body: "CreateEmbeddingBody", app_services: "Services", checkpoint: str
) -> EmbeddingSpec:
    """The word to make. Raises ``Refused`` for a name that no file and no prompt can have."""
    name = body.name.strip()
    try:
        check_name(f"{name}.pt")
    except BadPath as error:
        raise Refused(f"name: {error}") from None
    if not NAME.fullmatch(name):
        raise Refused(f"name: {name!r} may hold letters, digits, spaces and . _ - only.")
    path = own_folder(app_services) / f"{name}.pt"
    return EmbeddingSpec(
        name, str(path), body.num_vectors_per_token, body.init_text, body.overwrite_old, checkpoint
    )


def read_training(
    body: "TrainEmbeddingBody", app_services: "Services", checkpoint: str
) -> QueuedTraining:
    """The training. Raises ``Refused`` and ``BadRequest`` naming the argument at fault."""
    for field in ("varsize", "use_weight"):
        if getattr(body, field):
            raise Refused(f"{field}: pictures are cut to one size and count whole; leave it out.")
    own_folder(app_services)
    app_services.registry.find(ModelKind.EMBEDDING, body.embedding_name)
    options, root = app_services.options.get(), data_root(app_services.config.data_dir)
    config = TrainingConfig(
        name=body.embedding_name,
        steps=body.steps,
        rate=read_step_schedule(str(body.learn_rate), "learn_rate"),
        templates=read_templates(body.template_filename, root),
        checkpoint=checkpoint,
        vae=str(options.get("sd_vae") or "Automatic"),
        batch_size=body.batch_size,
        gradient_step=body.gradient_step,
        width=body.training_width,
        height=body.training_height,
        clipping=body.clip_grad_mode,
        clip_at=read_step_schedule(str(body.clip_grad_value), "clip_grad_value"),
        shuffle_tags=body.shuffle_tags,
        tag_drop_out=body.tag_drop_out,
        drawing=body.latent_sampling_method,
        clip_skip=int(str(options.get("CLIP_stop_at_last_layers", 1))),
        save_every=body.save_embedding_every,
        copies=str(copies_folder(body, app_services)) if body.save_embedding_every else "",
    )
    check_workload(
        training_workload(config), app_services.config.max_job_megapixel_steps, "The training"
    )
    return QueuedTraining(
        config, list_pictures(folder_below_data("data_root", body.data_root, app_services), root)
    )


def own_folder(app_services: "Services") -> Path:
    """The folder of the caller's embeddings. Raises ``Refused`` where all users have one."""
    config = app_services.config
    folder = app_services.registry.folders.of(ModelKind.EMBEDDING)[0]
    if config.service_config is not None and not folder.is_relative_to(config.data_dir):
        raise Refused(
            "name: embeddings are the same for all users here (--embeddings-dir): an admin makes "
            "and trains them."
        )
    return folder


def training_workload(config: TrainingConfig) -> float:
    """What a training comes to, in megapixel-steps."""
    samples = config.steps * config.batch_size * config.gradient_step
    return samples * config.width * config.height / MEGA


def folder_below_data(field: str, text: str, app_services: "Services") -> str:
    """A folder of the caller's as a path below the data directory."""
    config = app_services.config
    return eas.locate(text, config.data_dir, config.mount_paths, field).relative


def copies_folder(body: "TrainEmbeddingBody", app_services: "Services") -> Path:
    """The folder of the copies: of this day and this word."""
    place = folder_below_data("log_directory", body.log_directory, app_services)
    folder = app_services.config.data_dir / place / date.today().isoformat() / body.embedding_name
    return folder / EMBEDDINGS_FOLDER


def read_templates(name: str, root: Root) -> tuple[str, ...]:
    """The lines of a template: the data directory's own, else Easel's of that name."""
    try:
        lines = read_small_text(f"{TEMPLATES}/{name}", root).splitlines()
    except FileError:
        lines = list(BUILT_IN.get(name, ()))
    prompts = tuple(line.strip() for line in lines if line.strip())
    if not prompts:
        raise Refused(
            f"template_filename: there is no {name!r}. Put one into {TEMPLATES}/, a prompt a line "
            f"with [name] and [filewords] in it, or take one of {', '.join(BUILT_IN)}."
        )
    return prompts


def list_pictures(folder: str, root: Root) -> tuple[tuple[str, str], ...]:
    """The pictures of a folder with their words: the .txt beside each, else its name."""
    try:
        handle = open_place(data_place(root, folder), os.O_RDONLY | os.O_DIRECTORY)
        names = sorted(os.listdir(handle))
        os.close(handle)
    except FileError as error:
        raise Refused(f"data_root: {error}") from None
    picture_names = [name for name in names if PurePosixPath(name).suffix.lower() in PICTURES]
    if not 1 <= len(picture_names) <= MAX_PICTURES:
        raise Refused(
            f"data_root: {len(picture_names)} pictures in {folder!r}; 1 to {MAX_PICTURES} are "
            "trained on."
        )
    prefix = f"{folder}/" if folder else ""
    return tuple(
        (f"{prefix}{name}", read_caption(f"{prefix}{name}", root)) for name in picture_names
    )


def read_caption(picture: str, root: Root) -> str:
    """What a picture shows; of its name, the numbers in front are left out."""
    path = PurePosixPath(picture)
    try:
        return read_small_text(str(path.with_suffix(".txt")), root).strip()
    except FileError:
        return re.sub(r"^[-\d]+[ _]*", "", path.stem).replace("_", " ")


def read_small_text(path: str, root: Root) -> str:
    """A small text below the data directory. Raises ``FileError``."""
    with open(open_place(data_place(root, path)), "rb") as file:
        return file.read(MAX_TEXT_BYTES).decode("utf-8", "replace")
