"""What a service tells the workers that join it: a file of its data directory.

The web process writes it at each start. By its ``data_id`` a worker knows that its folder is the
one of the service, wherever it is mounted; and it draws by the flags that the service was started
with where that decides what callers get. No Flask, no torch.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from generator.atomic_file import write_atomically
from webapp.process_tree import boot_identity
from webapp.version import VERSION

if TYPE_CHECKING:
    from webapp.settings.config import Config

SERVICE_FILE = "service.json"  # below .easel
SHARED_FIELDS = (
    "max_delivery",
    "max_job_megapixel_steps",
    "nsfw_censor",
    "disable_extensions",
    "root_extensions",
    "codeformer",
    "check_nan",
    "hashing",
    "default_checkpoint",
)
"""Fields of the configuration in which every worker follows the service."""

log = logging.getLogger("easel")


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One service: its data directory, the Easel that serves it, on which machine, and its flags.

    ``boot`` is the running kernel of the web process's machine; "" where it is not known.
    """

    data_id: str
    version: str
    boot: str
    flags: Mapping[str, Any]


def publish_service(config: "Config") -> ServiceFacts:
    """Write the file of the service that this configuration describes.

    The id of the data directory stays what it was. Where the disk cannot be written, workers that
    join find what was there before.
    """
    path = config.easel_dir / SERVICE_FILE
    known = read_service(config.easel_dir)
    facts = ServiceFacts(
        known.data_id if known else uuid4().hex,
        VERSION,
        boot_identity(),
        {name: getattr(config, name) for name in SHARED_FIELDS},
    )
    if facts != known:
        try:
            write_atomically(path, json.dumps(asdict(facts), indent=1).encode())
        except OSError as error:
            log.warning("Other workers are not told of this start: %s: %s", path, error.strerror)
    return facts


def read_service(easel_dir: Path) -> ServiceFacts | None:
    """What the service of a data directory says; None where there is none, or nothing readable."""
    try:
        known = json.loads((easel_dir / SERVICE_FILE).read_bytes())
        facts = ServiceFacts(**{each.name: known[each.name] for each in fields(ServiceFacts)})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    texts = (facts.data_id, facts.version, facts.boot)
    is_whole = all(isinstance(text, str) for text in texts) and isinstance(facts.flags, dict)
    return facts if is_whole and facts.data_id else None


def follow_service(config: "Config", facts: ServiceFacts) -> "Config":
    """The configuration of a worker of that service: its own, with the service's shared flags.

    A flag of another type than this Easel's is left: versions are compared elsewhere.
    """
    followed = {
        name: facts.flags[name]
        for name in SHARED_FIELDS
        if type(facts.flags.get(name)) is type(getattr(config, name))
    }
    return replace(config, **followed)
