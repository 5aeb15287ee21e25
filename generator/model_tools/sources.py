"""Files that weights are read from, tensor by tensor and in pieces. No torch."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from generator.errors import ModelUnreadable
from generator.models.families.ldm.keys import old_text_name
from generator.models.header import Header, TensorEntry, read_header
from generator.models.index import ModelFile
from generator.models.plain_files import open_plain
from generator.models.safetensors_cache import open_as_safetensors
from generator.reasons import reason_of


@dataclass(frozen=True, slots=True)
class SourceModel:
    """An open model file. ``tensors`` has them by the names that most checkpoints use."""

    file: ModelFile
    descriptor: int
    header: Header
    tensors: Mapping[str, TensorEntry] = field(repr=False)

    def read(self, entry: TensorEntry, begin: int, buffer: memoryview) -> None:
        """Fill ``buffer`` with a tensor's bytes from ``begin`` on.

        They are copied, not mapped: memory does not grow with the file. Raises
        :class:`ModelUnreadable` where the file became shorter meanwhile.
        """
        place = 8 + self.header.length + entry.begin + begin
        count = 0
        while count < len(buffer):
            read = os.preadv(self.descriptor, [buffer[count:]], place + count)
            if read <= 0:
                raise ModelUnreadable(
                    f"{self.file.name}: it became shorter while it was read; copy it again"
                )
            count += read


@contextmanager
def open_source(file: ModelFile) -> Iterator[SourceModel]:
    """The tensors of a model file; a pickle is converted first, by the bounded child process.

    Raises :class:`ModelUnreadable` naming the file.
    """
    with ExitStack() as stack:
        try:
            path = stack.enter_context(_as_safetensors(file))
            header = read_header(path)
            opened = stack.enter_context(open_plain(path))
        except FileNotFoundError:
            raise ModelUnreadable(f"{file.name}: the file is gone") from None
        except OSError as error:
            raise ModelUnreadable(f"{file.name}: {reason_of(error)}") from error
        names = {old_text_name(name): entry for name, entry in header.tensors.items()}
        yield SourceModel(file, opened.fileno(), header, names)


def _as_safetensors(file: ModelFile) -> AbstractContextManager[Path]:
    if file.path.suffix.lower() == ".safetensors":
        return nullcontext(file.path)
    return open_as_safetensors(file.path, file.kept_in)
