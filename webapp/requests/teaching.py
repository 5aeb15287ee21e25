"""Translates the body of an embedding training: folders, templates and numbers are checked."""

import os
import re
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from filebrowser.errors import BadPath, FileError
from filebrowser.gate import Root, check_name, open_place
from generator.inversion.lessons import Lesson, NewWord, pace
from generator.models.kinds import Kind
from generator.workload import MEGA, check_workload
from webapp import eas
from webapp.errors import Refused
from webapp.queues.frames import TrainingJob
from webapp.roots import data_root, within

if TYPE_CHECKING:
    from webapp.requests.training import EmbeddingTraining, NewEmbedding
    from webapp.services import Services

NAME = re.compile(r"[\w .-]+")
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
MOST_PICTURES = 2000
LONGEST_TEXT = 64 * 1024  # bytes of a template, or of the words beside a picture
TEMPLATES = "textual_inversion_templates"
BUILT_IN = {
    "subject.txt": ("a photo of [name]", "[name]", "a picture that shows [name]"),
    "subject_filewords.txt": ("a photo of [name], [filewords]", "[name], [filewords]"),
    "style.txt": ("a picture in the style of [name]", "a drawing, [name] style"),
    "style_filewords.txt": ("a picture of [filewords] in the style of [name]",),
}
"""What a training is told when the data directory has no file of that name."""


def new_word(body: "NewEmbedding", here: "Services", checkpoint: str) -> NewWord:
    """The word to make. Raises ``Refused`` for a name that no file and no prompt can have."""
    name = body.name.strip()
    try:
        check_name(f"{name}.pt")
    except BadPath as error:
        raise Refused(f"name: {error}") from None
    if not NAME.fullmatch(name):
        raise Refused(f"name: {name!r} may hold letters, digits, spaces and . _ - only.")
    path = here.registry.folders.of(Kind.EMBEDDING)[0] / f"{name}.pt"
    return NewWord(
        name, str(path), body.num_vectors_per_token, body.init_text, body.overwrite_old, checkpoint
    )


def training(body: "EmbeddingTraining", here: "Services", checkpoint: str) -> TrainingJob:
    """The training. Raises ``Refused`` and ``BadRequest`` naming the argument at fault."""
    for field in ("varsize", "use_weight"):
        if getattr(body, field):
            raise Refused(f"{field}: pictures are cut to one size and count whole; leave it out.")
    here.registry.find(Kind.EMBEDDING, body.embedding_name)
    options, root = here.options.get(), data_root(here.config.data_dir)
    lesson = Lesson(
        name=body.embedding_name,
        steps=body.steps,
        rate=pace(str(body.learn_rate), "learn_rate"),
        templates=templates(body.template_filename, root),
        checkpoint=checkpoint,
        vae=str(options.get("sd_vae") or "Automatic"),
        batch_size=body.batch_size,
        gradient_step=body.gradient_step,
        width=body.training_width,
        height=body.training_height,
        clipping=body.clip_grad_mode,
        clip_at=pace(str(body.clip_grad_value), "clip_grad_value"),
        shuffle_tags=body.shuffle_tags,
        tag_drop_out=body.tag_drop_out,
        drawing=body.latent_sampling_method,
        clip_skip=int(str(options.get("CLIP_stop_at_last_layers", 1))),
        save_every=body.save_embedding_every,
        copies=str(copies(body, here)) if body.save_embedding_every else "",
    )
    check_workload(asked_of(lesson), here.config.max_job_megapixel_steps, "The training")
    return TrainingJob(lesson, pictures(below("data_root", body.data_root, here), root))


def asked_of(lesson: Lesson) -> float:
    """What a training comes to, in megapixel-steps."""
    seen = lesson.steps * lesson.batch_size * lesson.gradient_step
    return seen * lesson.width * lesson.height / MEGA


def below(field: str, text: str, here: "Services") -> str:
    """A folder of the caller's as a path below the data directory."""
    config = here.config
    return eas.locate(text, config.data_dir, config.mount_paths, field).relative


def copies(body: "EmbeddingTraining", here: "Services") -> Path:
    """The folder of the copies: of this day and this word."""
    place = below("log_directory", body.log_directory, here)
    folder = here.config.data_dir / place / date.today().isoformat() / body.embedding_name
    return folder / "embeddings"


def templates(name: str, root: Root) -> tuple[str, ...]:
    """The lines of a template: the data directory's own, else Easel's of that name."""
    try:
        lines = read(f"{TEMPLATES}/{name}", root).splitlines()
    except FileError:
        lines = list(BUILT_IN.get(name, ()))
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise Refused(
            f"template_filename: there is no {name!r}. Put one into {TEMPLATES}/, a prompt a line "
            f"with [name] and [filewords] in it, or take one of {', '.join(BUILT_IN)}."
        )
    return found


def pictures(folder: str, root: Root) -> tuple[tuple[str, str], ...]:
    """The pictures of a folder with their words: the .txt beside each, else its name."""
    try:
        found = open_place(within(root, folder), os.O_RDONLY | os.O_DIRECTORY)
        names = sorted(os.listdir(found))
        os.close(found)
    except FileError as error:
        raise Refused(f"data_root: {error}") from None
    shown = [name for name in names if PurePosixPath(name).suffix.lower() in PICTURES]
    if not 1 <= len(shown) <= MOST_PICTURES:
        raise Refused(
            f"data_root: {len(shown)} pictures in {folder!r}; 1 to {MOST_PICTURES} are trained on."
        )
    prefix = f"{folder}/" if folder else ""
    return tuple((f"{prefix}{name}", words(f"{prefix}{name}", root)) for name in shown)


def words(picture: str, root: Root) -> str:
    """What a picture shows; of its name, the numbers in front are left out."""
    path = PurePosixPath(picture)
    try:
        return read(str(path.with_suffix(".txt")), root).strip()
    except FileError:
        return re.sub(r"^[-\d]+[ _]*", "", path.stem).replace("_", " ")


def read(path: str, root: Root) -> str:
    """A small text below the data directory. Raises ``FileError``."""
    with open(open_place(within(root, path)), "rb") as file:
        return file.read(LONGEST_TEXT).decode("utf-8", "replace")
