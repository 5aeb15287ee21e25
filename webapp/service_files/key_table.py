"""The one table of keys of service files: what each means here, in the vendor's order.

``[]`` is any element of a list, ``*`` any names. A key that is not here is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MAX_WORKERS = 64
MAX_COUNT = 10**9


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """One row. ``kind``: text | texts | integer | number | switch | any.

    ``meaning`` is what a key that ``is_used`` does, and why any other has no effect here.
    """

    name: str
    meaning: str
    kind: str = "any"
    is_used: bool = True
    spellings: tuple[str, ...] = ()  # other places where the same is written
    least: int = 0
    most: int = MAX_COUNT
    is_secret: bool = False  # its value is never shown

    @property
    def takes(self) -> str:
        """What fits, for messages."""
        if self.kind in ("integer", "number"):
            kind = "a whole number" if self.kind == "integer" else "a number"
            return f"{kind} from {self.least:,} to {self.most:,}"
        return {"text": "a text", "texts": "a list of texts", "switch": "true or false"}.get(
            self.kind, "a value"
        )


def _unused(why: str, names: str) -> tuple[ServiceKey, ...]:
    return tuple(ServiceKey(name, why, is_used=False) for name in names.split())


MACHINE = "This machine is used as it is."
NETWORK = "Addresses are those of this machine."
VERSIONS = "Easel installs its locked versions, once."
HEALTH = "Easel watches its processes itself and starts again what dies or hangs."
IMAGE_STORE = "Nothing is fetched from there: a folder stands for it (--mount)."
MOUNTED = "What --mount names a folder for; else a folder is made."
CONTAINER_TIMES = (
    "initial_delay_seconds period_seconds timeout_seconds success_threshold failure_threshold"
)


def _probe_keys() -> tuple[ServiceKey, ...]:
    return tuple(
        key
        for probe in ("startup_check", "liveness_check", "health_check")
        for key in _unused(
            HEALTH,
            " ".join(
                f"containers[].{probe}.{name}"
                for name in (
                    "http_get.path http_get.port tcp_socket.port " + CONTAINER_TIMES
                ).split()
            ),
        )
    )


KEYS: tuple[ServiceKey, ...] = (
    ServiceKey(
        "metadata.name", "--service-name, and the folder of the service.", "text",
        spellings=("name",),
    ),
    ServiceKey(
        "metadata.instance", "Workers: --workers-max.", "integer", least=1, most=MAX_WORKERS
    ),
    ServiceKey(
        "metadata.type", "Async: --edition api. SDCluster: --edition cluster.", "text",
        spellings=("meta.type",),
    ),
    ServiceKey(
        "metadata.enable_webservice", "false: --nowebui. true: the page, as is the default.",
        "switch",
    ),
    *_unused(
        MACHINE,
        "metadata.cpu metadata.gpu metadata.memory metadata.gpu_memory "
        "metadata.gpu_core_percentage metadata.resource metadata.resource_burstable "
        "metadata.resource_rebalancing metadata.disk metadata.shm_size metadata.rdma "
        "metadata.workspace_id metadata.rolling_strategy.max_surge "
        "metadata.rolling_strategy.max_unavailable",
    ),
    *_unused(NETWORK, "metadata.gateway metadata.enable_grpc"),
    ServiceKey(
        "rpc.worker_threads", "1: a worker draws one job at a time, as it always does here.",
        "integer", spellings=("metadata.rpc.worker_threads",), least=1,
    ),
    ServiceKey(
        "rpc.max_queue_size", "Requests that wait for their answer: --max-waiting-requests.",
        "integer", spellings=("metadata.rpc.max_queue_size",), least=1, most=4000,
    ),
    *(
        ServiceKey(
            f"rpc.{name}", why, is_used=False, spellings=(f"metadata.rpc.{name}",)
        )
        for why, names in (
            ("A request may take as long as it needs.", "keepalive"),
            ("No rate is limited; see --max-queued-jobs.", "rate_limit"),
            ("Easel decides by itself.",
             "batching max_batch_size max_batch_timeout io_threads enable_sigterm enable_jemalloc"),
        )
        for name in names.split()
    ),
    ServiceKey(
        "eas.termination_grace_period", "Seconds that easel down waits before it kills.",
        "integer", most=3600,
        spellings=("runtime.termination_grace_period", "metadata.eas.termination_grace_period"),
    ),
    ServiceKey("token", "The owner's token. Without it one is made.", "text", is_secret=True),
    ServiceKey(
        "containers[].image", "Not pulled. Its ending -api or -cluster-webui is the edition where "
        "no metadata.type is.", "text",
    ),
    ServiceKey("containers[].script", "Its flags are Easel's. No shell reads it.", "text"),
    ServiceKey("containers[].command", "As script.", "texts"),
    ServiceKey("containers[].args", "Flags after those of command.", "texts"),
    ServiceKey("containers[].port", "--port. Default: 8000.", "integer", least=1, most=65535),
    ServiceKey("containers[].env[].name", "COMMANDLINE_ARGS holds flags.", "text"),
    ServiceKey("containers[].env[].value", "Its value.", "text", is_secret=True),
    *_unused(
        VERSIONS,
        "containers[].prepare.pythonRequirements containers[].prepare.pythonRequirementsPath",
    ),
    *_probe_keys(),
    *_unused(MACHINE, "containers[].resources.*"),
    *_unused(MACHINE, "cloud.computing.instance_type cloud.computing.instances"),
    *_unused(
        NETWORK,
        "cloud.networking.vpc_id cloud.networking.vswitch_id cloud.networking.security_group_id",
    ),
    ServiceKey(
        "storage[].mount_path", "Stands for a folder of this machine: in script, and in requests' "
        "save_dir where the data directory is.", "text",
    ),
    ServiceKey("storage[].oss.path", MOUNTED, "text"),
    ServiceKey("storage[].oss.readOnly", "true: not written to.", "switch"),
    ServiceKey("storage[].nfs.server", MOUNTED, "text"),
    ServiceKey("storage[].nfs.path", MOUNTED, "text"),
    ServiceKey("storage[].nfs.readOnly", "true: not written to.", "switch"),
    ServiceKey("storage[].dataset.id", MOUNTED, "text"),
    ServiceKey("storage[].dataset.read_only", "true: not written to.", "switch"),
    ServiceKey("storage[].git.repo", MOUNTED, "text"),
    *_unused(
        IMAGE_STORE,
        "storage[].nfs.resourceGroup storage[].dataset.version storage[].git.branch "
        "storage[].git.commit storage[].git.username storage[].model.*",
    ),
    ServiceKey("storage[].git.password", IMAGE_STORE, is_used=False, is_secret=True),
    *_unused(
        "A folder is made, on the disk.",
        "storage[].empty_dir.medium storage[].empty_dir.size_limit",
    ),
    *_unused("It changes nothing here.", "storage[].properties.*"),
    ServiceKey(
        "queue.max_delivery", "Times that a job is given to a worker: --max-delivery.",
        "integer", most=1000,
    ),
    ServiceKey(
        "queue.memory", "MB; without any max_length --max-queue-entries is 90 % of it, less the "
        "sink's share, by the payload's size.", "integer", least=1, most=10**7,
    ),
    ServiceKey("queue.sink.memory_ratio", "The sink's share of memory. Default: 0.5.", "number",
               most=1),
    ServiceKey(
        "queue.source.max_length", "--max-queue-entries; the least of all three counts.",
        "integer", least=1,
    ),
    ServiceKey("queue.sink.max_length", "As source.max_length.", "integer", least=1),
    ServiceKey("queue.max_length", "As source.max_length.", "integer", least=1),
    ServiceKey(
        "queue.source.max_payload_size_kb", "--max-entry-size.", "integer", least=1, most=1 << 20
    ),
    *_unused("Results are kept whole.", "queue.sink.max_payload_size_kb"),
    *_unused(MACHINE, "queue.cpu queue.resource queue.min_replica"),
    *_unused(
        "A full queue refuses, and evicts nothing.", "queue.source.auto_evict queue.sink.auto_evict"
    ),
    *_unused(
        "A job runs as long as its worker makes progress: --worker-hang-seconds.", "queue.max_idle"
    ),
    *_unused("Dead entries are always kept in the rear queue.", "queue.dead_message_policy"),
    ServiceKey(
        "autoscaler.min", "--workers-min.", "integer", most=MAX_WORKERS
    ),
    ServiceKey(
        "autoscaler.max", "--workers-max, in place of metadata.instance.", "integer",
        least=1, most=MAX_WORKERS,
    ),
    *_unused(
        "Workers start while jobs wait, and end when they are idle: --idle-seconds.",
        "autoscaler.scaleStrategies[].metricName autoscaler.scaleStrategies[].threshold "
        "autoscaler.behavior.*",
    ),
    *_unused(NETWORK, "networking.gateway networking.nlb"),
    *_unused("The vendor's own.", "eas.* metadata.eas.*"),
    *_unused(MACHINE, "features.* labels.*"),
    *_unused("Weights are kept in memory by --sd-dynamic-cache.", "options.enableCache"),
    ServiceKey("dockerAuth", "No image is pulled.", is_used=False, is_secret=True),
    *_unused(
        "A processor is no web UI; containers are what is run.",
        "model_path oss_endpoint model_entry model_config.* processor processor_path "
        "processor_entry processor_type processor_mainclass warm_up_data_path",
    ),
)  # fmt: skip

KEYS_BY_SPELLING: Mapping[str, ServiceKey] = MappingProxyType(
    {spelling: key for key in KEYS for spelling in (key.name, *key.spellings)}
)
