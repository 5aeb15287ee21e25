"""Keys of a service file that stand for flags."""

from collections.abc import Iterator

from webapp.service_files.container import ContainerFlags
from webapp.service_files.document import ServiceDocument
from webapp.service_files.errors import BadServiceFile, quote
from webapp.settings.editions import EDITIONS, Edition

LENGTHS = ("queue.source.max_length", "queue.sink.max_length", "queue.max_length")
MEMORY_SHARE = 0.9
"""Of a queue's memory for entries, as the vendor has it."""

SINK_SHARE = 0.5
PAYLOAD_KB = 8
MIB = 1 << 20


def edition_of_file(document: ServiceDocument) -> Edition | None:
    """The edition that the type of the service names, else the image; None for neither."""
    kind = document.get("metadata.type")
    if kind is not None:
        types = {each.service_type: each for each in EDITIONS if each.service_type}
        if kind not in types:
            raise BadServiceFile(
                f"metadata.type is {quote(kind)}; {' or '.join(types)} is expected, or no type."
            )
        return types[kind]
    tag = document.get("containers[].image", 0, default="").rpartition(":")[2]
    named = (each for each in EDITIONS if each.image and tag.endswith(f"-{each.image}"))
    return next(named, None)


def edition_words(document: ServiceDocument) -> list[str]:
    """``--edition`` where the file names one."""
    edition = edition_of_file(document)
    return [] if edition is None else ["--edition", edition.name]


def key_words(document: ServiceDocument, container: ContainerFlags) -> Iterator[str]:
    """The flags that keys stand for; those of the script come later, and win."""
    page_flags = {"nowebui", "webui"} & container.names
    if document.get("metadata.enable_webservice") is False and not page_flags:
        yield "--nowebui"
    yield from worker_words(document)
    for name, flag in (
        ("rpc.max_queue_size", "--max-waiting-requests"),
        ("queue.max_delivery", "--max-delivery"),
    ):
        if (value := document.get(name)) is not None:
            yield from (flag, str(value))
    if (payload := document.get("queue.source.max_payload_size_kb")) is not None:
        yield from ("--max-entry-size", f"{payload}K")
    if (entries := most_entries(document)) is not None:
        yield from ("--max-queue-entries", str(entries))


def worker_words(document: ServiceDocument) -> Iterator[str]:
    """How many workers run: ``metadata.instance``, or as the autoscaler says."""
    least, most = document.get("autoscaler.min"), document.get("autoscaler.max")
    most = document.get("metadata.instance") if most is None else most
    if least is not None and most is not None and least > most:
        raise BadServiceFile(
            f"autoscaler.min is {least}, more than the {most} of autoscaler.max or "
            "metadata.instance."
        )
    if least is not None:
        yield from ("--workers-min", str(least))
    if most is not None:
        yield from ("--workers-max", str(most))


def most_entries(document: ServiceDocument) -> int | None:
    """How many entries a queue holds: the least length named, else what the memory holds."""
    lengths = [document.get(name) for name in LENGTHS]
    given = [length for length in lengths if length is not None]
    if given:
        return int(min(given))
    memory = document.get("queue.memory")
    if memory is None:
        return None
    payload = document.get("queue.source.max_payload_size_kb", default=PAYLOAD_KB) << 10
    source_share = 1 - document.get("queue.sink.memory_ratio", default=SINK_SHARE)
    return max(int(memory * MIB * MEMORY_SHARE * source_share / payload), 1)
