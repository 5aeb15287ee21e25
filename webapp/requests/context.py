"""``RequestContext``: options, models and plugin names that a body is checked against."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from generator.control.modules import Module
from generator.models.registry import Registry
from generator.prompt.styles import Style
from generator.scripts.catalogue import ScriptEntry
from generator.workload import NO_LIMIT
from plugins.api import Input
from webapp.http import request_images

log = logging.getLogger("easel.web")

MAX_REMARKS = 20  # in an answer, and in the log about one request


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The service as it was when the request came.

    ``lenient``: unknown samplers and schedules fall back as in AUTOMATIC1111 (contract 4.1)
    instead of being refused; :meth:`add_remark` notes it for the caller.
    ``picture_reader(field, text)`` is the base64 of a picture that was checked.
    ``panels`` are the plugins that a body may name, each with the fields of its form;
    ``choices("samplers")`` are names that plugins provide, ``scripts("txt2img")`` and
    ``preprocessors`` their scripts and preprocessors; ``absent_plugin("samplers", name)`` says
    which plugin provided a name and is not on now, "" where none is known.
    """

    options: Mapping[str, object]
    models: Registry
    user_name: str = ""
    version: str = ""
    lenient: bool = True
    picture_reader: request_images.PictureReader = field(
        default_factory=request_images.PictureReader
    )
    panels: Mapping[str, Sequence[Input]] = field(default_factory=dict)
    choices: Callable[[str], Sequence[str]] = lambda kind: ()
    scripts: Callable[[str], Sequence[ScriptEntry]] = lambda route: ()
    preprocessors: Mapping[str, Module] = field(default_factory=dict)
    absent_plugin: Callable[[str, str], str] = lambda kind, name: ""
    most_megapixel_steps: float = NO_LIMIT  # the work of one job
    codeformer: bool = False  # whether that restorer of faces is allowed
    styles: Callable[[], Mapping[str, Style]] = dict  # by name, read when they are needed
    remarks: list[str] = field(default_factory=list)
    """What of this body is not done as asked, in sentences for the answer's ``info.comments``."""

    def add_remark(self, sentence: str) -> None:
        """Add a sentence to ``info.comments`` and log it; at most ``MAX_REMARKS`` of them."""
        if len(self.remarks) > MAX_REMARKS:
            return
        if len(self.remarks) == MAX_REMARKS:
            sentence = "More of this request is not done as asked; it is not told here."
        log.warning("%s", sentence)
        self.remarks.append(sentence)
