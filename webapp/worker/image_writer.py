"""Writes a job's pictures, grids, masks and sidecar texts, in the worker."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL.Image import Image, Resampling

from generator.errors import CannotSave
from generator.hooks import NullListener, Stage
from generator.job.output_filter import OutputFilter
from generator.pictures.base64_images import fingerprint_of, read_base64
from generator.pictures.grid import compose_grid
from generator.pictures.picture_files import encode_picture, fits
from generator.request import Generation, GenerationRequest, Picture
from webapp.files.output_files import PictureFiles
from webapp.queues.job_codec import FileRules
from webapp.worker.output_folder import OutputFolder
from webapp.worker.picture_facts import naming_facts
from webapp.worker.save_journal import SavedFile, SaveJournal

if TYPE_CHECKING:
    from webapp.queues.job_codec import QueuedGeneration, SaveOptions

BEFORE_SUFFIX = "before-"
"""How the suffix of a picture begins that was there before the finished one, and is saved first."""


@dataclass(frozen=True, slots=True)
class SavedPictures:
    """What was written: URLs, the grid's first; and the grid that the answer shows, if any."""

    urls: tuple[str, ...] = ()
    grid: Image | None = None
    paths: tuple[Path, ...] = ()  # every file
    map_urls: tuple[str, ...] = ()  # of masks and ControlNet's maps, in the vendor's form


def save_all(
    job: "QueuedGeneration",
    generation: Generation,
    data_dir: Path,
    now: datetime,
    journal: SaveJournal | None = None,
    output_filter: OutputFilter | None = None,
) -> SavedPictures:
    """Write the pictures, and the grids, that the job asks for.

    All or nothing: a failure removes what this call had written and raises ``CannotSave``. With
    the ``journal`` of an earlier delivery of the job its files are overwritten. Every image
    passes ``output_filter``, which may refuse it.
    """
    files = PictureFiles(data_dir)
    writer = ImageWriter(
        job, files, now, journal or SaveJournal(), output_filter or OutputFilter(NullListener())
    )
    try:
        return writer.save(generation)
    except BaseException:
        for path in writer.written:
            with suppress(CannotSave):  # the first error is the one to tell
                files.remove(path)
        raise


@dataclass(eq=False)
class ImageWriter:
    """Writes one job's files. ``written`` holds the paths written so far."""

    job: "QueuedGeneration"
    files: PictureFiles
    now: datetime
    journal: SaveJournal
    output_filter: OutputFilter
    written: list[Path] = field(default_factory=list)

    def save(self, generation: Generation) -> SavedPictures:
        """Save all that the job asks for."""
        self.save_init_images()
        saving = self.job.save
        generation = replace(generation, pictures=generation.pictures + generation.unshown)
        if saving is None or not generation.pictures:
            return SavedPictures()
        sheet = self.make_sheet(saving, generation)
        urls = self.save_grids(saving, generation, sheet)
        urls += self.save_pictures(saving, generation)
        answer_grid = sheet if saving.return_grid else None
        maps = tuple(self.save_maps(saving, generation))
        return SavedPictures(tuple(urls), answer_grid, tuple(self.written), maps)

    def make_sheet(self, saving: "SaveOptions", generation: Generation) -> Image | None:
        """The contact sheet after the output filter, or None."""
        contact_sheet = make_grid(self.job, saving, generation)
        return contact_sheet and self.output_filter.filter_image(
            contact_sheet, Stage.SHEET, self.job.request
        )

    def save_init_images(self) -> None:
        """Save img2img's initial images under their fingerprints."""
        if self.job.origins_dir is None or self.job.request.origin is None:
            return
        for text in self.job.request.origin.images:
            image = read_base64(text)
            path = self.files.data_dir / self.job.origins_dir / f"{fingerprint_of(image)}.png"
            if not self.files.exists(path):
                released = self.output_filter.filter_image(image, Stage.ASIDE, self.job.request)
                self.write(path, encode_with_infotext(self.job.request, released, None, "png"))

    def save_grids(
        self, saving: "SaveOptions", generation: Generation, sheet: Image | None
    ) -> list[str]:
        """Save a script's sheets, or the job's, with the first infotext; their addresses."""
        sheets = [*generation.grids, *generation.unshown_grids, *([] if sheet is None else [sheet])]
        if not sheets or not saving.save_grid:
            return []
        facts = naming_facts(self.job.request, generation, 0, self.now)
        folder = OutputFolder.for_picture(saving, saving.grids_dir, self.files, facts, grid=True)
        texts = infotexts(generation)
        format = saving.files.grid_format
        name = partial(folder.grid_path, saving.names, facts)
        return [
            self.save_numbered(folder, each, texts[min(position, len(texts) - 1)], name, format)
            for position, each in enumerate(sheets)
        ]

    def save_pictures(self, saving: "SaveOptions", generation: Generation) -> list[str]:
        """Save each finished picture and what stands beside it; the pictures' addresses."""
        if not saving.save_samples:
            return []
        urls = []
        for number, picture in enumerate(pictures_to_save(self.job, saving, generation)):
            facts = naming_facts(self.job.request, generation, number, self.now)
            folder = OutputFolder.for_picture(saving, saving.samples_dir, self.files, facts)
            extra_images = [each for each in generation.asides if each.picture == number]
            saved_before = [each for each in extra_images if each.suffix.startswith(BEFORE_SUFFIX)]
            saved_after = [each for each in extra_images if each not in saved_before]
            for image, suffix in (
                *((each.image, each.suffix) for each in saved_before),
                (picture.image, ""),
                *((each.image, each.suffix) for each in saved_after),
            ):
                name = partial(folder.picture_path, saving.names, facts, suffix=suffix)
                text = picture.infotext or infotexts(generation)[0]
                replaces = folder.replaces(saving.names, facts)
                url = self.save_numbered(folder, image, text, name, replaces=replaces)
                urls += [] if suffix else [url]
        return urls

    def save_maps(self, saving: "SaveOptions", generation: Generation) -> Iterator[str]:
        """Save masks and maps where the answer has no pictures to show them with."""
        if saving.maps_dir is None or not generation.maps:
            return
        facts = naming_facts(self.job.request, generation, 0, self.now)
        folder = OutputFolder.for_picture(saving, saving.maps_dir, self.files, facts)
        for image in generation.maps:
            yield self.save_numbered(folder, image, None, folder.map_path)

    def save_numbered(
        self,
        folder: OutputFolder,
        image: Image,
        text: str | None,
        name: Callable[[str], Path],
        format: str | None = None,
        replaces: bool = False,
    ) -> str:
        """Save under the next free name of a folder, or in place of a file; its address."""
        ending = fitting_format(image, format or self.job.request.options.samples_format)
        rules = self.job.save.files if self.job.save else FileRules()
        data = encode_with_infotext(self.job.request, image, text, ending, rules.webp_lossless)

        def choose_name() -> tuple[Path, str]:
            path = name(f".{ending}")
            return path, folder.url(path)

        with folder.lock():
            saved_file = self.write_named(data, choose_name, replaces=replaces)
        path = Path(saved_file.path)
        for other, content in accompanying_files(
            self.job.request, rules, image, text, path, len(data)
        ):
            self.write(other, content)
        return saved_file.url

    def write_named(
        self, data: bytes, choose: Callable[[], tuple[Path, str]], *, replaces: bool
    ) -> SavedFile:
        """A file under the name that an earlier delivery used, else one of ``choose``.

        That must be free, unless the caller wants what has it ``replaces``d.
        """
        while True:
            saved_file = self.journal.reserve(data, choose)
            path = Path(saved_file.path)
            if replaces or not saved_file.is_new:
                self.write(path, data)
                return saved_file
            check_free_space(self.job, self.files.data_dir, len(data))
            if self.files.write_new(path, data):
                self.written.append(path)
                return saved_file
            self.journal.withdraw()

    def write(self, path: Path, data: bytes) -> None:
        """One file, remembered for the case that a later one fails."""
        check_free_space(self.job, self.files.data_dir, len(data))
        self.files.write(path, data)
        self.written.append(path)


def check_free_space(job: "QueuedGeneration", data_dir: Path, size: int) -> None:
    """Raise ``CannotSave`` unless the disk has ``size`` bytes beside what is left free on it."""
    spare = job.save.spare if job.save else 0
    disk = os.statvfs(data_dir)
    if spare and disk.f_bavail * disk.f_frsize - size < spare:
        raise CannotSave(
            f"The disk has no room for {size:,} bytes beside the {spare:,} that are kept free "
            "(--upload-spare). Delete something"
        )


def infotexts(generation: Generation) -> list[str]:
    """The infotexts of the answer's grids and pictures; a script's own grids come first."""
    texts = generation.facts.get("infotexts")
    if isinstance(texts, list) and texts:
        return texts
    return [picture.infotext for picture in generation.pictures]


def make_grid(
    job: "QueuedGeneration", saving: "SaveOptions", generation: Generation
) -> Image | None:
    """The contact sheet of a job, if it is to be saved or returned and has enough pictures.

    None for jobs with a script: scripts make their own.
    """
    rules, pictures = saving.sheet, generation.pictures
    if (len(pictures) < 2 and rules.only_of_several) or job.request.script is not None:
        return None
    if not (saving.save_grid or saving.return_grid):
        return None
    return compose_grid(
        [picture.image for picture in pictures],
        rules.rows,
        job.request.batch_size,
        rules.fill_evenly,
        rules.background,
    )


def pictures_to_save(
    job: "QueuedGeneration", saving: "SaveOptions", generation: Generation
) -> tuple[Picture, ...]:
    """The pictures to keep: an interrupt leaves the last batch unsaved (contract 1.10).

    The vendor's callers get no other copy of a picture, so theirs are all kept.
    """
    if not generation.stopped or saving.naming == "vendor":
        return generation.pictures
    last = len(generation.pictures) % job.request.batch_size or job.request.batch_size
    return generation.pictures[:-last]


def accompanying_files(
    request: GenerationRequest,
    rules: FileRules,
    image: Image,
    text: str | None,
    path: Path,
    size: int,
) -> Iterator[tuple[Path, bytes]]:
    """Further files for a picture that was saved as ``path`` in ``size`` bytes.

    A JPEG, made smaller if need be, of what is too large to be sent around, and the infotext.
    """
    small = path.with_suffix(".jpg")
    large = size > rules.large_bytes or max(image.size) > rules.large_side
    if rules.small_copy and large and small != path:
        ratio = min(rules.large_side / max(image.size), 1)
        smaller = (max(round(image.width * ratio), 1), max(round(image.height * ratio), 1))
        copy = image.resize(smaller, Resampling.LANCZOS)
        yield small, encode_with_infotext(request, copy, text, "jpg")
    if rules.text_beside and text:
        yield path.with_suffix(".txt"), f"{text}\n".encode()


def encode_with_infotext(
    request: GenerationRequest,
    image: Image,
    text: str | None,
    format: str,
    lossless: bool = False,
) -> bytes:
    """A picture file with its infotext, unless the options forbid it."""
    options = request.options
    infotext = text if options.enable_pnginfo else None
    return encode_picture(image, format, infotext, options.jpeg_quality, lossless)


def fitting_format(image: Image, format: str) -> str:
    """The format, or PNG for a picture that is larger than it can hold."""
    return format if fits(image.size, format) else "png"
