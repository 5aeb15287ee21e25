"""Writes what a job drew: pictures, grids, masks, and what stands beside them. In the worker."""

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
from generator.hooks import Silence, Stage
from generator.pictures.grid import grid
from generator.pictures.reading import fingerprint, read_base64
from generator.pictures.saving import encode, fits
from generator.releasing import Releaser
from generator.request import Generation, GenerationRequest, Picture
from webapp.naming import Folder
from webapp.picture_facts import facts_of
from webapp.picture_files import PictureFiles
from webapp.queues.frames import FileRules
from webapp.receipts import Receipt

if TYPE_CHECKING:
    from webapp.queues.frames import GenerationJob, Saving

BEFORE = "before-"
"""How the suffix of a picture begins that was there before the finished one, and is saved first."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written: URLs, the grid's first; and the grid that the answer shows, if any."""

    urls: tuple[str, ...] = ()
    grid: Image | None = None
    paths: tuple[Path, ...] = ()  # every file
    map_urls: tuple[str, ...] = ()  # of masks and ControlNet's maps, in the vendor's form


def save_all(
    job: "GenerationJob",
    generation: Generation,
    data_dir: Path,
    now: datetime,
    receipt: Receipt | None = None,
    way_out: Releaser | None = None,
) -> Saved:
    """Write the pictures, and the grids, that the job asks for.

    All or nothing: a failure removes what this call had written and raises ``CannotSave``. With
    the ``journal`` of an earlier delivery of the job its files are overwritten. Every image
    passes ``output_filter``, which may refuse it.
    """
    files = PictureFiles(data_dir)
    shelf = Shelf(job, files, now, receipt or Receipt(), way_out or Releaser(Silence()))
    try:
        return shelf.fill(generation)
    except BaseException:
        for path in shelf.written:
            with suppress(CannotSave):  # the first error is the one to tell
                files.remove(path)
        raise


@dataclass(eq=False)
class Shelf:
    """Writes one job's files. ``written`` holds the paths written so far."""

    job: "GenerationJob"
    files: PictureFiles
    now: datetime
    receipt: Receipt
    way_out: Releaser
    written: list[Path] = field(default_factory=list)

    def fill(self, generation: Generation) -> Saved:
        """Save all that the job asks for."""
        self.keep_origins()
        saving = self.job.save
        generation = replace(generation, pictures=generation.pictures + generation.unshown)
        if saving is None or not generation.pictures:
            return Saved()
        sheet = self.sheet(saving, generation)
        urls = self.save_grids(saving, generation, sheet)
        urls += self.save_pictures(saving, generation)
        shown = sheet if saving.return_grid else None
        maps = tuple(self.save_maps(saving, generation))
        return Saved(tuple(urls), shown, tuple(self.written), maps)

    def sheet(self, saving: "Saving", generation: Generation) -> Image | None:
        """The contact sheet after the output filter, or None."""
        made = make_grid(self.job, saving, generation)
        return made and self.way_out.let_out(made, Stage.SHEET, self.job.request)

    def keep_origins(self) -> None:
        """Save img2img's initial images under their fingerprints."""
        if self.job.origins_dir is None or self.job.request.origin is None:
            return
        for text in self.job.request.origin.images:
            image = read_base64(text)
            path = self.files.data_dir / self.job.origins_dir / f"{fingerprint(image)}.png"
            if not self.files.exists(path):
                kept = self.way_out.let_out(image, Stage.ASIDE, self.job.request)
                self.write(path, encoded(self.job.request, kept, None, "png"))

    def save_grids(
        self, saving: "Saving", generation: Generation, sheet: Image | None
    ) -> list[str]:
        """Save a script's sheets, or the job's, with the first infotext; their addresses."""
        sheets = [*generation.grids, *generation.unshown_grids, *([] if sheet is None else [sheet])]
        if not sheets or not saving.save_grid:
            return []
        facts = facts_of(self.job.request, generation, 0, self.now)
        folder = Folder.of(saving, saving.grids_dir, self.files, facts, grid=True)
        texts = infotexts(generation)
        format = saving.files.grid_format
        name = partial(folder.grid_path, saving.names, facts)
        return [
            self.number(folder, each, texts[min(place, len(texts) - 1)], name, format)
            for place, each in enumerate(sheets)
        ]

    def save_pictures(self, saving: "Saving", generation: Generation) -> list[str]:
        """Save each finished picture and what stands beside it; the pictures' addresses."""
        if not saving.save_samples:
            return []
        urls = []
        for number, picture in enumerate(finished(self.job, saving, generation)):
            facts = facts_of(self.job.request, generation, number, self.now)
            folder = Folder.of(saving, saving.samples_dir, self.files, facts)
            asides = [each for each in generation.asides if each.picture == number]
            early = [each for each in asides if each.suffix.startswith(BEFORE)]
            late = [each for each in asides if each not in early]
            for image, suffix in (
                *((each.image, each.suffix) for each in early),
                (picture.image, ""),
                *((each.image, each.suffix) for each in late),
            ):
                name = partial(folder.picture_path, saving.names, facts, suffix=suffix)
                text = picture.infotext or infotexts(generation)[0]
                url = self.number(folder, image, text, name)
                urls += [] if suffix else [url]
        return urls

    def save_maps(self, saving: "Saving", generation: Generation) -> Iterator[str]:
        """Save masks and maps where the answer has no pictures to show them with."""
        if saving.maps_dir is None or not generation.maps:
            return
        facts = facts_of(self.job.request, generation, 0, self.now)
        folder = Folder.of(saving, saving.maps_dir, self.files, facts)
        for image in generation.maps:
            yield self.number(folder, image, None, folder.map_path)

    def number(
        self,
        folder: Folder,
        image: Image,
        text: str | None,
        name: Callable[[str], Path],
        format: str | None = None,
    ) -> str:
        """Save under the next free name of a folder; the file's address."""
        ending = fitting(image, format or self.job.request.options.samples_format)
        rules = self.job.save.files if self.job.save else FileRules()
        data = encoded(self.job.request, image, text, ending, rules.webp_lossless)

        def free() -> tuple[Path, str]:
            path = name(f".{ending}")
            return path, folder.url(path)

        with folder.locked():
            place = self.receipt.place(data, free)
            path = Path(place.path)
            self.write(path, data)
        for other, content in beside(self.job.request, rules, image, text, path, len(data)):
            self.write(other, content)
        return place.url

    def write(self, path: Path, data: bytes) -> None:
        """One file, remembered for the case that a later one fails."""
        check_spare(self.job, self.files.data_dir, len(data))
        self.files.write(path, data)
        self.written.append(path)


def check_spare(job: "GenerationJob", data_dir: Path, size: int) -> None:
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
    told = generation.facts.get("infotexts")
    if isinstance(told, list) and told:
        return told
    return [picture.infotext for picture in generation.pictures]


def make_grid(job: "GenerationJob", saving: "Saving", generation: Generation) -> Image | None:
    """The contact sheet of a job, if it is to be saved or returned and has enough pictures.

    None for jobs with a script: scripts make their own.
    """
    rules, pictures = saving.sheet, generation.pictures
    if (len(pictures) < 2 and rules.only_of_several) or job.request.script is not None:
        return None
    if not (saving.save_grid or saving.return_grid):
        return None
    return grid(
        [picture.image for picture in pictures],
        rules.rows,
        job.request.batch_size,
        rules.fill_evenly,
        rules.background,
    )


def finished(job: "GenerationJob", saving: "Saving", generation: Generation) -> tuple[Picture, ...]:
    """The pictures to keep: an interrupt leaves the last batch unsaved (contract 1.10).

    The vendor's callers get no other copy of a picture, so theirs are all kept.
    """
    if not generation.stopped or saving.naming == "vendor":
        return generation.pictures
    last = len(generation.pictures) % job.request.batch_size or job.request.batch_size
    return generation.pictures[:-last]


def beside(
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
        yield small, encoded(request, copy, text, "jpg")
    if rules.text_beside and text:
        yield path.with_suffix(".txt"), f"{text}\n".encode()


def encoded(
    request: GenerationRequest,
    image: Image,
    text: str | None,
    format: str,
    lossless: bool = False,
) -> bytes:
    """A picture file with its infotext, unless the options forbid it."""
    options = request.options
    kept = text if options.enable_pnginfo else None
    return encode(image, format, kept, options.jpeg_quality, lossless)


def fitting(image: Image, format: str) -> str:
    """The format, or PNG for a picture that is larger than it can hold."""
    return format if fits(image.size, format) else "png"
