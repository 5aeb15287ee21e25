"""The editions of the vendor's service, as presets of flags: ``--edition NAME``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from webapp.settings.flags import FLAGS, Flag, environment_variable

EDITION = "edition"
CLUSTER_FLAG = "cluster-status"
"""The vendor's own flag of the cluster edition."""

OFF = frozenset({"0", "false", "no", "off"})
"""What an environment variable says to leave a switch off."""


class BadEdition(ValueError):
    """Flags that name two editions; the text says which."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition. ``presets``: flags it stands for, with their texts; None for a switch."""

    name: str
    image: str  # the ending of the vendor's image tag; "" without one
    service_type: str  # metadata.type of the vendor's service file; "" for none
    presets: tuple[tuple[str, str | None], ...]
    help: str


EDITIONS = (
    Edition(
        "standard", "standard", "", (),
        "Page and API, which waits for the answer. What starts without `--edition`.",
    ),
    Edition(
        "api", "api", "Async", (("nowebui", None), ("async", None)),
        "No page. `/api/predict/<service>` is a queue that any number of workers empties; results "
        "lie in its sink ([queue](queue.md)).",
    ),
    Edition(
        "cluster", "cluster-webui", "SDCluster", (("accounts", None),),
        "Many people on shared workers, each with an account. `--cluster-status` is the same.",
    ),
    Edition(
        "serverless", "", "",
        (("workers-min", "0"), ("idle-seconds", "60"), ("bill", "drawing")),
        "No worker runs, and no GPU memory is held, while there is nothing to draw; the first "
        "request starts one. Only the time inside the networks is [billed](usage.md).",
    ),
)  # fmt: skip
EDITIONS_BY_NAME: Mapping[str, Edition] = MappingProxyType(
    {edition.name: edition for edition in EDITIONS}
)
FLAGS_BY_NAME: Mapping[str, Flag] = MappingProxyType({flag.name: flag for flag in FLAGS})


def add_presets(given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Flags as they were given, by name, and what their edition adds.

    A flag that was given wins over every preset of its field, and so does ``EASEL_<SWITCH>=0``.
    Raises :class:`BadEdition`.
    """
    edition = find_named_edition(given)
    if edition is None:
        return dict(given)
    taken = {FLAGS_BY_NAME[name].field for name in given}
    taken |= {flag.field for flag in declined_switches(environ)}
    presets = {
        name: True if text is None else text
        for name, text in edition.presets
        if FLAGS_BY_NAME[name].field not in taken
    }
    return {**presets, **given}


def find_named_edition(given: Mapping[str, Any]) -> Edition | None:
    """The edition that the flags name; None where they name none, or what there is not."""
    name = given.get(EDITION)
    if CLUSTER_FLAG in given:
        if name not in (None, "cluster"):
            raise BadEdition(
                f"--edition {name} and --{CLUSTER_FLAG}, which is --edition cluster, were both "
                "given: leave one of them out."
            )
        name = "cluster"
    return EDITIONS_BY_NAME.get(name) if isinstance(name, str) else None


def declined_switches(environ: Mapping[str, str]) -> Iterable[Flag]:
    """Switches that the environment says no to."""
    return (
        flag
        for flag in FLAGS
        if flag.kind == "switch" and environ.get(environment_variable(flag), "").lower() in OFF
    )
