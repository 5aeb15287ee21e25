"""Services of the web process: built once at start, passed to every route."""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from filebrowser.pictures.memory_budget import MemoryBudget
from filebrowser.uploads.reservations import ReserveSpace
from filebrowser.uploads.upload_store import UploadStore
from filebrowser.watch.watcher import Watcher
from generator.atomic_file import make_folders
from generator.models.registry import Registry
from webapp.access.credentials import Credentials, CredentialSource, build_credentials
from webapp.access.login_throttle import LoginThrottle
from webapp.access.signed_urls import UrlSigner
from webapp.files.file_services import FileServices, create_file_services
from webapp.files.upload_policy import limits_of
from webapp.files.user_storage import UserStorage
from webapp.gallery.presets import PRESETS_FILE, PresetStore
from webapp.http.waiting_limit import WaitingLimit
from webapp.http.watcher_limit import WatcherLimit
from webapp.jobs.job_book import JOBS_FILE, JobBook
from webapp.jobs.queue_overview import QueueOverview
from webapp.ledger.handle import LedgerHandle
from webapp.ledger.prices import NO_PRICES, PriceList, read_prices
from webapp.logs import start_log
from webapp.nodes.node_parts import NodeParts, create_node_parts
from webapp.plugins.model_registry import registry_of
from webapp.plugins.plugin_reload import PLUGINS_TOPIC, PluginReload
from webapp.plugins.web_plugins import ShippedPlugins, WebPlugins
from webapp.process_tree import SUPERVISOR_VARIABLE
from webapp.queues.contracts.charges import Charges
from webapp.queues.contracts.counters import Counters
from webapp.queues.contracts.entries import EntryQueues
from webapp.queues.contracts.heartbeats import Heartbeats
from webapp.queues.contracts.plugin_states import PluginStates
from webapp.queues.contracts.progress import ProgressBoard
from webapp.queues.contracts.queue import Queue
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.contracts.service_notices import ServiceNotices
from webapp.queues.contracts.sink import Sink
from webapp.queues.contracts.stop_requests import StopRequests
from webapp.queues.contracts.worker_commands import WorkerCommands
from webapp.queues.drawn_pictures import DrawnPictures
from webapp.queues.job_limit import JobLimit
from webapp.queues.plans import Plans, PlanSource
from webapp.queues.quotas import Quotas
from webapp.queues.task_registry import Tasks
from webapp.settings.data_dir import open_store, service_token
from webapp.settings.local_cache import is_shared_mount, keep_caches_here
from webapp.settings.option_store import OptionStore, options_of
from webapp.settings.secret_files import session_key
from webapp.settings.service_file import publish_service
from webapp.settings.state_files import OPTIONS_FILE
from webapp.settings.state_folder import prepare_state_folder
from webapp.settings.user_config import tree_name, users_folder
from webapp.user_trees import UserTrees

if TYPE_CHECKING:
    from webapp.accounts.accounts import Accounts
    from webapp.settings.config import Config

BUILT_PAGE = Path(__file__).resolve().parents[1] / "static" / "dist"  # checkout and package alike

STORE_PARTS = (
    "queue",
    "sink",
    "progress",
    "stop_requests",
    "worker_commands",
    "heartbeats",
    "counters",
    "plugin_states",
    "service_notices",
    "charges",
)
"""Names of the services that one store gives."""


@dataclass(frozen=True, slots=True)
class Services:
    """The services that routes use. What is the caller's own is found for each request."""

    trees: UserTrees
    queue: Queue
    sink: Sink
    progress: ProgressBoard
    stop_requests: StopRequests
    worker_commands: WorkerCommands
    heartbeats: Heartbeats
    counters: Counters
    plugin_states: PluginStates
    service_notices: ServiceNotices
    charges: Charges
    entries: EntryQueues
    credentials: CredentialSource
    log: logging.Logger
    close: Callable[[], None]
    all_plugins: WebPlugins
    shipped_plugins: WebPlugins  # of users who share no others
    plugin_reload: PluginReload
    reserve: ReserveSpace  # room on the disk and in the quota, for every door that writes
    decoding: MemoryBudget  # memory for decoding pictures, of all requests together
    bodies: MemoryBudget  # memory for their bodies
    job_limit: JobLimit  # through which frames enter the queue
    waiting_limit: WaitingLimit  # places for requests that wait for their answers
    watchers: WatcherLimit  # places for event streams
    jobs: JobBook  # records of the job API
    presets: PresetStore  # forms that users keep
    drawn_pictures: DrawnPictures  # of jobs that run
    overview: QueueOverview  # places and times of waiting jobs
    signer: UrlSigner  # of links to pictures
    ledger: LedgerHandle  # what jobs took
    nodes: NodeParts  # what all web processes of the service remember together
    prices: PriceList = NO_PRICES  # of what they took
    accounts: "Accounts | None" = None  # None without --accounts
    filing: FileServices | None = None  # None without --filebrowser
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)  # of one app
    built_page: Path = BUILT_PAGE  # the folder with index.html and assets/

    @property
    def config(self) -> "Config":
        """The configuration as the caller has it: with their own data directory."""
        return self.trees.current().config

    @property
    def registry(self) -> Registry:
        """The models that the caller may use."""
        return self.trees.current().registry

    @property
    def plugins(self) -> WebPlugins:
        """The plugins that the caller has."""
        tree = self.trees.current()
        shared = not tree.name or tree.config.root_extensions
        return self.all_plugins if shared else self.shipped_plugins

    @property
    def options(self) -> OptionStore:
        """The caller's options."""
        return self.trees.current().options

    @property
    def tasks(self) -> Tasks:
        """Ended, followed and stopped tasks."""
        return self.nodes.tasks

    @property
    def login_throttle(self) -> LoginThrottle:
        """Of wrong guesses at any account."""
        return self.nodes.login_throttle

    def file_services(self) -> FileServices:
        """The file browser's services. Raises ``RuntimeError`` without ``--filebrowser``."""
        if self.filing is None:
            raise RuntimeError("The service runs without --filebrowser.")
        return self.filing


def build_services(
    config: "Config", *, store: QueueStore | None = None, **overrides: Any
) -> Services:
    """The services of a process that serves HTTP, with their threads running.

    Call it after any fork; ``Services.close`` ends the threads. ``overrides`` take the place of
    services by name (``registry=``, …), and ``store`` that of all its parts; who brings one closes
    it. Raises ``TypeError``
    for a name that no service has, ``BadPrices`` for the file of ``--price-file``.
    """
    names = {field.name for field in fields(Services)} | {"registry", "options", "plugins"}
    if unknown := overrides.keys() - names:
        raise TypeError(f"There is no service named {', '.join(sorted(unknown))}.")
    closing = ExitStack()
    log = overrides.get("log") or start_log(config.log_json)
    make_folders(config.data_dir)
    prepare_state_folder(config.easel_dir)
    if is_shared_mount(config):
        config = keep_caches_here(config, publish_service(config).data_id)
    if store is None:
        store = open_store(config, log.getChild("queue"))
        closing.callback(store.close)
    overrides = {**dict.fromkeys(STORE_PARTS, store), "entries": store.entries, **overrides}
    nodes = _set_nodes(config, store, overrides, closing)
    trees = _set_trees(config, overrides, nodes, closing)
    decoding = overrides.setdefault("decoding", MemoryBudget(config.decode_budget))
    overrides.setdefault("bodies", MemoryBudget(config.body_budget))
    if "filing" not in overrides and config.filebrowser:
        overrides["filing"] = create_file_services(config, trees.refresh_models, decoding, nodes)
        closing.callback(overrides["filing"].close)
    file_services: FileServices | None = overrides.get("filing")
    uploads = file_services.uploads if file_services else UploadStore(limits_of(config))
    overrides.setdefault("reserve", uploads.reserve)
    _set_plugins(config, trees, overrides, log, closing)
    if config.accounts:
        _open_accounts(config, overrides, closing)
    overrides.setdefault("prices", read_prices(config.price_file))
    if "ledger" not in overrides:
        url, shared = config.database_url, nodes.are_several
        overrides["ledger"] = LedgerHandle(url, config.easel_dir, shared=shared)
        closing.callback(overrides["ledger"].close)
    overrides.setdefault("credentials", _read_credentials(config))
    overrides.setdefault("signer", UrlSigner(session_key(config.easel_dir)))
    overrides.setdefault("waiting_limit", WaitingLimit(config.max_waiting_requests))
    if "job_limit" not in overrides:
        overrides["job_limit"] = _create_job_limit(config, overrides)
    _set_job_parts(config, overrides, closing)
    return Services(**{"trees": trees, "log": log, "close": closing.close, **overrides})


def _set_nodes(
    config: "Config", store: QueueStore, overrides: dict[str, Any], closing: ExitStack
) -> NodeParts:
    """What web processes remember together, where nobody has brought it."""
    if "nodes" not in overrides:
        shared = config.queue_url is not None
        overrides["nodes"] = create_node_parts(store, config.easel_dir, shared=shared)
        closing.callback(overrides["nodes"].close)
    nodes: NodeParts = overrides["nodes"]
    return nodes


def _set_trees(
    config: "Config", overrides: dict[str, Any], nodes: NodeParts, closing: ExitStack
) -> UserTrees:
    """The trees of all users, with the models and options that somebody has brought, or the own."""
    if "registry" not in overrides:
        overrides["registry"] = _watched_registry(config, closing)
    options = overrides.pop("options", None) or options_of(config, nodes.alone(OPTIONS_FILE))
    trees = UserTrees(config, overrides.pop("registry"), options, nodes.alone)
    closing.callback(trees.close)
    return trees


def _set_plugins(
    config: "Config",
    trees: UserTrees,
    overrides: dict[str, Any],
    log: logging.Logger,
    closing: ExitStack,
) -> None:
    """The plugins, where nobody has brought them, and how all web processes load them anew."""
    registry, options = trees.service.registry, trees.service.options
    if "plugins" not in overrides:
        overrides["plugins"] = _create_web_plugins(config, options, log, closing)
        registry.set_plugin_folders(overrides["plugins"].model_folders())
    web_plugins: WebPlugins = overrides.pop("plugins")
    registry.set_plugin_families(web_plugins.families())
    overrides |= {"all_plugins": web_plugins, "shipped_plugins": ShippedPlugins(web_plugins)}
    feed = overrides["nodes"].feed
    reload = PluginReload(web_plugins, registry, feed, trees.follow)
    overrides.setdefault("plugin_reload", reload)
    if feed is not None:
        feed.handlers[PLUGINS_TOPIC] = reload.hear


def _set_job_parts(config: "Config", overrides: dict[str, Any], closing: ExitStack) -> None:
    """What the job API and the page keep, where nobody has brought it."""
    if "jobs" not in overrides:
        path, shared = config.easel_dir / JOBS_FILE, config.queue_url is not None
        overrides["jobs"] = JobBook(path, shared=shared)
        closing.callback(overrides["jobs"].close)
    if "presets" not in overrides:
        shared = config.queue_url is not None
        overrides["presets"] = PresetStore(config.easel_dir / PRESETS_FILE, shared)
        closing.callback(overrides["presets"].close)
    overrides.setdefault("watchers", WatcherLimit(config.max_watchers))
    overrides.setdefault("drawn_pictures", DrawnPictures(config.easel_dir))
    parts = (overrides[name] for name in ("queue", "progress", "heartbeats"))
    wakes = starts_on_demand(config)
    overrides.setdefault("overview", QueueOverview(*parts, wakes_workers=wakes))


def starts_on_demand(config: "Config") -> bool:
    """Whether this service's supervisor starts a worker when a job comes (``--workers-min 0``)."""
    may_start = config.workers_min == 0 and config.workers_max != 0
    return may_start and SUPERVISOR_VARIABLE in os.environ


def _create_job_limit(config: "Config", overrides: Mapping[str, Any]) -> JobLimit:
    """The way into the queue, by the flags, and by accounts where there are some."""
    flags = plans_of(config)
    plans: PlanSource = flags
    if (accounts := overrides.get("accounts")) is not None:
        from webapp.accounts.account_plans import AccountPlans

        plans = AccountPlans(accounts.database, flags, accounts.taken)
    ledger: LedgerHandle = overrides["ledger"]
    storage = UserStorage(users_folder(config))
    quotas = Quotas(ledger.get, lambda owner: storage.size(tree_name(config, owner)))
    return JobLimit(plans, config.easel_dir, config.upload_spare, quotas=quotas)


def plans_of(config: "Config") -> Plans:
    """What the flags let each caller take of the queue."""
    shares, limits = dict(config.gpu_shares), dict(config.max_queued_jobs_of)
    return Plans(config.max_queued_jobs, shares, limits)


def _watched_registry(config: "Config", closing: ExitStack) -> Registry:
    """The models, looked for anew whenever something changes below their folders."""
    registry = registry_of(config)
    closing.callback(registry.close)
    registry.start()
    watcher = Watcher(registry.folders.all(), config.watch, lambda _: registry.refresh())
    closing.callback(watcher.stop)
    watcher.start()
    return registry


def _create_web_plugins(
    config: "Config", options: OptionStore, log: logging.Logger, closing: ExitStack
) -> WebPlugins:
    web_plugins = WebPlugins(config, options, log, may_leave=SUPERVISOR_VARIABLE in os.environ)
    closing.callback(web_plugins.close)
    return web_plugins


def _open_accounts(config: "Config", overrides: dict[str, Any], closing: ExitStack) -> None:
    """Add the accounts, and the credentials that know them. Raises ``AccountsUnusable``."""
    from webapp.accounts.accounts import open_accounts  # SQLAlchemy: only where it is needed
    from webapp.accounts.credentials import AccountCredentials, trusted_proxy

    names = frozenset(token.name.lower() for token in config.narrow_tokens)
    accounts = open_accounts(config.database_url, config.easel_dir, names)
    closing.callback(accounts.close)
    proxy = trusted_proxy(config.auth_header, config.trusted_proxies, config.new_user_role)
    overrides["accounts"] = accounts
    overrides["credentials"] = AccountCredentials(accounts, _read_credentials(config), proxy)


def _read_credentials(config: "Config") -> Credentials:
    return build_credentials(
        service_token(config),
        config.api_auth,
        config.page_auth,
        insecure=config.insecure,
        narrow=config.narrow_tokens,
    )
