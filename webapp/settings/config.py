"""From a command line and the environment to one frozen :class:`Config`."""

import argparse
import difflib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from generator.data_folders import MODELS_FOLDER, STATE_FOLDER
from webapp.access.cors import AllowedOrigins
from webapp.access.secret import Secret
from webapp.access.tokens import NarrowToken
from webapp.settings.browse_roots import parse_browse_roots, parse_folder_rights
from webapp.settings.credential_flags import derive_credentials
from webapp.settings.editions import OFF, BadEdition, add_presets
from webapp.settings.flag_checks import (
    UnknownFlag,
    check_device,
    check_network,
    check_options,
    check_pattern,
    check_queue_url,
    check_service_name,
    check_workers,
)
from webapp.settings.flags import FLAGS, Flag, environment_variable
from webapp.settings.plan_flags import GPU_SHARES, read_counts, read_figures
from webapp.settings.secret_flags import receive_secrets
from webapp.value_rules import is_in_range, unknown_choices

VENDOR_MOUNTS = tuple(
    f"/code/stable-diffusion-webui/{name}" for name in ("data", "data-oss", "data-nas")
)
UNITS: Mapping[str, int] = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(text: str) -> int:
    """Bytes as one writes them: 500M, 20G. Raises ``ValueError``."""
    number, unit = text.upper().removesuffix("B"), ""
    if number[-1:] in UNITS and number[-1:]:
        number, unit = number[:-1], number[-1]
    return int(number) * UNITS[unit]


VALUE_PARSERS: Mapping[str, Any] = {
    "text": str,
    "integer": int,
    "size": parse_size,
    "path": Path,
    "paths": Path,
    "texts": str,
}


@dataclass(frozen=True, slots=True)
class Config:
    """What this process was started with. One field a working row of ``flags.FLAGS``."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int | None = None  # None: the first free one
    root_path: str = ""  # "" or "/below"
    listen: bool = False
    edition: str = "standard"  # a name of editions.EDITIONS
    web_ui: bool = True
    api: bool = True
    lenient: bool = True
    image_links: bool = True
    webhooks: bool = True
    allow_fetch_from: tuple[str, ...] = ()  # networks as CIDR
    device: str = "auto"
    token: Secret | None = None
    api_auth: tuple[tuple[str, Secret], ...] = ()
    page_auth: tuple[tuple[str, Secret], ...] = ()
    read_tokens: tuple[NarrowToken, ...] = ()
    generate_tokens: tuple[NarrowToken, ...] = ()
    metrics_tokens: tuple[NarrowToken, ...] = ()
    insecure: bool = False
    accounts: bool = False
    database_url: Secret | None = None  # None: a file in the data directory
    public_address: str = ""  # without a last slash; "": that of the request
    auth_header: str = ""
    trusted_proxies: tuple[str, ...] = ()  # networks as CIDR
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: Secret | None = None
    oidc_name_claim: str = "preferred_username"
    new_user_role: str = ""  # "member" | "viewer"; "": nobody is made a user
    max_connections: int = 2000
    max_connections_per_address: int = 1000
    max_waiting_requests: int = 400
    asynchronous: bool = False
    service_name: str = "easel"
    max_entry_bytes: int = 8 << 10
    max_queue_entries: int = 100_000
    max_user_entries: int = 20_000
    max_delivery: int = 5  # 0: without end
    queue_url: Secret | None = None  # None: a file in the data directory
    watch: str = "auto"
    hashing: bool = True
    api_server_stop: bool = False
    filebrowser: bool = True
    nsfw_censor: bool = False
    codeformer: bool = False  # a restorer of faces with a non-commercial licence
    extension_access: bool = False  # plugins are installed by the page under --listen too
    disable_extensions: str = ""  # "all" | "extra"
    upload_largest: int = 1 << 40  # bytes of one file
    upload_quota: int = 0  # bytes of all files of a root; 0: no quota
    upload_spare: int = 256 << 20  # bytes left free on the disk
    upload_keep: int = 48  # hours
    max_watchers: int = 128  # event streams and watches of queues that stay open at once
    max_queued_jobs: int = 500  # of one caller and kind
    max_queued_jobs_of: tuple[tuple[str, int], ...] = ()  # user or role, jobs
    gpu_shares: tuple[tuple[str, float], ...] = ()  # user or role, weight in the match rule
    price_file: Path | None = None
    billed: Literal["device", "drawing"] = "device"
    usage_months: int = 13  # for which the ledger keeps single jobs
    max_listings: int = 8  # of one caller at once
    decode_budget: int = 512 << 20  # bytes of decoded pictures in the web process
    body_budget: int = 256 << 20  # bytes of request bodies in the web process
    allow_pickle_upload: bool = False
    browse_roots: tuple[tuple[str, Path, bool], ...] = ()  # name, path, writable
    folder_rights: tuple[tuple[str, str], ...] = ()  # "root/name", "view" or "read"
    code_upload: bool = False
    trash_days: int = 30
    api_log: bool = False
    time_log: bool = False
    log_json: bool = False
    mount_paths: tuple[str, ...] = VENDOR_MOUNTS
    models_dir: Path | None = None  # None: models/ in the data directory
    cache_dir: Path | None = None  # None: .easel in the data directory
    checkpoint_dirs: tuple[Path, ...] = ()
    vae_dirs: tuple[Path, ...] = ()
    lora_dirs: tuple[Path, ...] = ()
    embedding_dirs: tuple[Path, ...] = ()
    hypernetwork_dirs: tuple[Path, ...] = ()
    gfpgan_dirs: tuple[Path, ...] = ()
    root_extensions: bool = False  # users have the data directory's plugins too
    controlnet_dirs: tuple[Path, ...] = ()
    styles_files: tuple[Path, ...] = ()
    hidden_tabs: tuple[str, ...] = ()  # of the page, as given: with commas between names
    enforced_options: tuple[str, ...] = ()  # that users may not change
    tls_keyfile: Path | None = None
    tls_certfile: Path | None = None
    cors_allow_origins: tuple[str, ...] = ()
    cors_allow_origins_regex: str = ""
    default_checkpoint: str = ""
    install_default: bool = True
    threads: int = 0
    workers_min: int | None = None  # None: as many as may run
    workers_max: int | None = None  # None: one a device
    idle_seconds: int = 300  # after which a worker beyond the least ends
    worker_hang_seconds: int = 600  # between two steps; 0: for ever
    max_joint_jobs: int = 8  # of one checkpoint, side by side in a worker
    max_job_megapixel_steps: int = 250_000
    stop_when_client_leaves: bool = False
    half: bool = True
    check_nan: bool = True
    vram_budget: int = 0  # GB of a graphics card's memory for weights; 0: what is free
    min_ram_reserved: int = 0  # GB of RAM that weights leave free; 0: a share of what there is
    sd_dynamic_cache: bool = False
    placement: str = "whole"  # of generator.models.placement.Placement
    ignored: tuple[str, ...] = ()  # accepted flags without a meaning here that were given

    @property
    def easel_dir(self) -> Path:
        """Where queue, hashes, tokens and other things of our own lie; never served."""
        return self.data_dir / STATE_FOLDER

    @property
    def service_config(self) -> "Config | None":
        """The configuration that all users share, in one that is a user's; else None."""
        return None

    @property
    def speaks_tls(self) -> bool:
        """Whether callers come by https, here or at the proxy that ``public_address`` names."""
        return self.tls_certfile is not None or self.public_address.startswith("https://")

    @property
    def cache_folder(self) -> Path:
        """Where what can be computed anew of models is kept: ``--cache-dir``, else ``.easel``."""
        return self.cache_dir or self.easel_dir

    @property
    def models_folder(self) -> Path:
        """Where folders of models lie: ``--models-dir``, else in the data directory."""
        return self.models_dir or self.data_dir / MODELS_FOLDER

    @property
    def narrow_tokens(self) -> tuple[NarrowToken, ...]:
        """Every token that opens less than the owner's."""
        return (*self.read_tokens, *self.generate_tokens, *self.metrics_tokens)

    @property
    def origins(self) -> AllowedOrigins:
        """Whose pages may call from a browser."""
        pattern = self.cors_allow_origins_regex
        return AllowedOrigins(self.cors_allow_origins, re.compile(pattern) if pattern else None)

    @property
    def options(self) -> Mapping[str, object]:
        """Options that a flag sets where ``config.json`` does not."""
        return {"sd_model_checkpoint": Path(self.default_checkpoint).name or None}


def parse(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration. ``argv`` beats COMMANDLINE_ARGS, which beats ``EASEL_*``.

    Raises :class:`UnknownFlag` with a sentence for the person who typed.
    """
    words = [*shlex.split(environ.get("COMMANDLINE_ARGS", "")), *argv]
    try:
        flags_given = {**_from_environment(environ), **_from_words(words)}
        flags_given = add_presets(flags_given, environ)
    except BadEdition as error:
        raise UnknownFlag(str(error)) from None
    ignored = tuple(
        sorted(f"--{f.name}" for f in FLAGS if not f.is_supported and f.name in flags_given)
    )
    values: dict[str, Any] = {}
    for flag in FLAGS:
        if flag.is_supported and flag.name in flags_given:
            values[flag.field] = _convert(flag, flags_given[flag.name])
    return Config(**_derive_fields(values, environ), ignored=ignored)


def parse_with_secrets(argv: Sequence[str]) -> Config:
    """As :func:`parse`, with the secret flags that the supervisor has handed to this process."""
    words, variables = receive_secrets()
    return parse([*words, *argv], {**os.environ, **variables})


def local_address(config: Config, port: int) -> str:
    """Where the service answers, as somebody on this machine types it."""
    return address_here(config.host, port, config.root_path, tls=config.tls_certfile is not None)


def address_here(host: str, port: int, root_path: str, *, tls: bool) -> str:
    """The same of a service that listens at ``host``."""
    here = host in ("127.0.0.1", "0.0.0.0", "::", "::1")
    return f"{'https' if tls else 'http'}://{'localhost' if here else host}:{port}{root_path}"


def build_parser() -> argparse.ArgumentParser:
    """argparse's view of the table: for ``--help`` and for the words."""
    parser = _Parser(prog="easel serve", allow_abbrev=False, argument_default=argparse.SUPPRESS)
    groups: dict[str, Any] = {}
    for flag in FLAGS:
        group = groups.get(flag.section) or parser.add_argument_group(flag.section)
        groups[flag.section] = group
        _add_flag(group, flag)
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UnknownFlag(f"{message}. See --help or docs/flags.md.")


def _add_flag(group: Any, flag: Flag) -> None:
    names = [f"-{flag.name}" if len(flag.name) == 1 else f"--{flag.name}"]
    names += [f"--{alias}" for alias in flag.aliases]
    help_text = flag.help.replace("%", "%%") if flag.is_supported else argparse.SUPPRESS
    if flag.kind == "switch":
        group.add_argument(*names, dest=flag.name, action="store_true", help=help_text)
        return
    action = "append" if flag.kind in ("paths", "texts") else "store"
    metavar = {"integer": "N", "paths": "PATH", "texts": "TEXT"}.get(flag.kind, flag.kind.upper())
    options: dict[str, Any] = {"nargs": "?", "const": "all"} if flag.name == "use-cpu" else {}
    group.add_argument(
        *names, dest=flag.name, action=action, metavar=metavar, help=help_text, **options
    )


def _from_words(words: Sequence[str]) -> dict[str, Any]:
    known, unknown = build_parser().parse_known_args(list(words))
    if unknown:
        raise UnknownFlag(_unknown_flag_message(unknown[0]))
    return vars(known)


def _unknown_flag_message(word: str) -> str:
    names = [f"--{name}" for flag in FLAGS for name in (flag.name, *flag.aliases)]
    near = difflib.get_close_matches(word.split("=")[0], names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else "See --help or docs/flags.md."
    return f"Unknown flag {word.split('=')[0]}. {hint}"  # what follows may be a secret


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """EASEL_DATA_DIR=... mirrors --data-dir, EASEL_NO_HASHING=1 a switch, and so on."""
    values: dict[str, Any] = {}
    for flag in FLAGS:
        text = environ.get(environment_variable(flag))
        if text is None or text == "":
            continue
        if flag.kind == "switch":
            if text.lower() not in OFF:
                values[flag.name] = True
        else:
            values[flag.name] = text.split(os.pathsep) if flag.kind in ("paths", "texts") else text
    return values


def _convert(flag: Flag, value: Any) -> Any:
    """The value in its field's type. Raises UnknownFlag with what was asked and what fits."""
    if flag.kind == "switch":
        return flag.value
    converted = (
        [_convert_one(flag, part) for part in value]
        if isinstance(value, list)
        else _convert_one(flag, value)
    )
    return tuple(converted) if isinstance(converted, list) else converted


def _convert_one(flag: Flag, text: str) -> Any:
    try:
        value = VALUE_PARSERS[flag.kind](text)
    except ValueError:
        fits = "bytes such as 500M or 20G" if flag.kind == "size" else "a whole number"
        raise UnknownFlag(f"--{flag.name} takes {fits}, not {text!r}.") from None
    numeric = flag.kind in ("integer", "size")
    if numeric and not is_in_range(value, flag.least or 0, flag.most or None):
        fits = f"{flag.least} to {flag.most}" if flag.most else f"{flag.least} or more"
        raise UnknownFlag(f"--{flag.name} takes {fits}, not {value}.")
    if flag.choices and unknown_choices([value], flag.choices):
        raise UnknownFlag(f"--{flag.name} takes {', '.join(flag.choices)}, not {text!r}.")
    return value


def _derive_fields(values: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Texts that stand for more: pairs of credentials, lists, addresses, the data directory."""
    home = Path(environ.get("EASEL_HOME") or Path.cwd())
    fields = dict(values)
    fields["data_dir"] = Path(
        os.path.abspath(home / Path(values.get("data_dir", "data")).expanduser())
    )
    fields |= derive_credentials(values)
    if "queue_url" in fields:
        check_queue_url(fields["queue_url"])
    origins = values.get("cors_allow_origins", "")
    fields["cors_allow_origins"] = tuple(
        part.strip() for part in origins.split(",") if part.strip()
    )
    check_options(values.get("enforced_options", ()))
    check_pattern(values.get("cors_allow_origins_regex", ""))
    path = values.get("root_path", "").strip("/")
    fields["root_path"] = f"/{path}" if path else ""
    if values.get("listen") and "host" not in values:
        fields["host"] = "0.0.0.0"
    if "host" in fields:
        fields["listen"] = fields.get("listen", False) or not _is_loopback(fields["host"])
    if "web_ui" in values and "filebrowser" not in values:
        fields["filebrowser"] = values["web_ui"]
    fields |= _read_pairs(values, home)
    check_workers(values.get("workers_min", 0), values.get("workers_max"))
    for network in values.get("allow_fetch_from", ()):
        check_network("allow-fetch-from", network)
    for network in values.get("trusted_proxies", ()):
        check_network("trusted-proxy", network)
    check_device(fields.get("device", "auto"))
    check_service_name(fields.get("service_name", "easel"))
    return fields


def _read_pairs(values: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """The fields whose flags take ``NAME=VALUE`` and repeat."""
    shares, limits = values.get("gpu_shares", ()), values.get("max_queued_jobs_of", ())
    try:
        return {
            "browse_roots": parse_browse_roots(values.get("browse_roots", ()), home),
            "folder_rights": parse_folder_rights(values.get("folder_rights", ())),
            "gpu_shares": read_figures("--gpu-share", shares, *GPU_SHARES),
            "max_queued_jobs_of": read_counts("--max-queued-jobs-of", limits),
        }
    except ValueError as error:
        raise UnknownFlag(str(error)) from None


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
