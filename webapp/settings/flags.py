"""The one table of start flags: AUTOMATIC1111's, the vendor's and our own.

A row with a ``field`` sets that field of :class:`webapp.settings.config.Config`; a row without one
is accepted, listed in docs/flags.md and logged once when given, and changes nothing.
Sources: contract section 7.2, the vendor's guide, eas.md section 2.4.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flag:
    """One row. ``kind``: switch | text | integer | size | path | paths | texts.

    The last two repeat. A ``secret`` one holds what opens something, or is ``@FILE`` that does.
    ``value`` is what a switch writes into its field; ``help`` of an ignored flag tells why it
    needs no work here.
    """

    name: str
    kind: str = "switch"
    field: str = ""
    help: str = ""
    section: str = ""
    value: bool | str = True
    aliases: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False  # its value opens something: never told, never in a child's arguments
    for_workers: bool = False  # a secret that workers are handed, not the web process alone

    @property
    def is_supported(self) -> bool:
        """True when the flag has a meaning here."""
        return bool(self.field)


def environment_variable(flag: Flag) -> str:
    """The environment variable of a flag."""
    return "EASEL_" + flag.name.upper().replace("-", "_")


def _ignored_flags(section: str, why: str, switches: str, texts: str = "") -> tuple[Flag, ...]:
    """Accepted and ignored: ``switches`` take no value, ``texts`` take one."""
    return tuple(Flag(n, help=why, section=section) for n in switches.split()) + tuple(
        Flag(n, "text", help=why, section=section) for n in texts.split()
    )


SERVER, PATHS, MODELS, DEVICE, FILES, PAGE, SAFETY, LOGS, SETUP = (
    "Server",
    "Paths",
    "Models",
    "Device",
    "Files",
    "Page",
    "Access",
    "Logs",
    "Set-up",
)
BUILT_IN = "Always so in Easel."
ELSEWHERE = "Belongs to a feature that Easel does not have yet."

FLAGS: tuple[Flag, ...] = (
    Flag(
        "listen",
        field="listen",
        section=SERVER,
        help="Listen on all addresses, not on loopback alone.",
    ),
    Flag("server-name", "text", "host", "Listen on this address.", SERVER),
    Flag(
        "edition",
        "text",
        "edition",
        "Presets of flags as the vendor's editions are (docs/editions.md): standard, api, cluster "
        "or serverless. A flag that is given wins over its preset.",
        SERVER,
        choices=("standard", "api", "cluster", "serverless"),
    ),
    Flag(
        "cluster-status",
        field="edition",
        value="cluster",
        section=SERVER,
        help="The vendor's name for --edition cluster.",
    ),
    Flag(
        "port",
        "integer",
        "port",
        "Listen on this port. Default: the first free one from 7860 (7861 with --nowebui).",
        SERVER,
        least=1,
        most=65535,
    ),
    Flag(
        "max-connections",
        "integer",
        "max_connections",
        "Open connections; beyond them, the oldest that ask nothing are closed. Default: 2000.",
        SERVER,
        least=16,
        most=60000,
    ),
    Flag(
        "max-connections-per-address",
        "integer",
        "max_connections_per_address",
        "The same for one address, other than those of --trusted-proxy. Default: 1000.",
        SERVER,
        least=8,
        most=60000,
    ),
    Flag(
        "max-waiting-requests",
        "integer",
        "max_waiting_requests",
        "Synchronous requests that wait for their answer at once, each in a thread; beyond them "
        "503, with an eighth more for the owner. Default: 400.",
        SERVER,
        least=1,
        most=4000,
    ),
    Flag(
        "max-watchers",
        "integer",
        "max_watchers",
        "Event streams and watches of queues that stay open at once, each in a thread, half of "
        "them for one caller but the owner; beyond them 503. Default: 128.",
        SERVER,
        least=1,
        most=4000,
    ),
    Flag(
        "max-queued-jobs",
        "integer",
        "max_queued_jobs",
        "Jobs of one kind (drawing, extras, training, a plugin's ...) that one caller may have in "
        "the queue; beyond them 429. Default: 500.",
        SERVER,
        least=1,
    ),
    Flag(
        "max-delivery",
        "integer",
        "max_delivery",
        "How often a job is given to a worker, or an entry to a consumer, before it is given up: "
        "none of them answered; 1: never again, 0: without end. The vendor's queue.max_delivery. "
        "Default: 5.",
        SERVER,
        aliases=("queue.max_delivery",),
        least=0,
        most=1000,
    ),
    Flag(
        "max-queued-jobs-of",
        "texts",
        "max_queued_jobs_of",
        "As --max-queued-jobs for one user, token or role (owner, user, generate): WHO=N; repeats.",
        SERVER,
    ),
    Flag(
        "gpu-share",
        "texts",
        "gpu_shares",
        "Weight of a user, token or role (owner, user, generate) where several wait for the GPU: "
        "WHO=NUMBER, 0.01 to 100; repeats. Twice the number is twice the GPU time. Default: 1.",
        SERVER,
    ),
    Flag(
        "price-file",
        "path",
        "price_file",
        "What a second of each device costs, for reports of usage: JSON, see docs/usage.md.",
        SERVER,
    ),
    Flag(
        "bill",
        "text",
        "billed",
        "What of a job those prices are for: device, all the time for which it held one, or "
        "drawing, that in which the networks worked. Default: device.",
        SERVER,
        choices=("device", "drawing"),
    ),
    Flag(
        "usage-months",
        "integer",
        "usage_months",
        "Whole months for which the ledger keeps each job beside the sums of each day, which it "
        "keeps for ever. Default: 13.",
        SERVER,
        least=2,
        most=1200,
    ),
    Flag(
        "async",
        field="asynchronous",
        section=SERVER,
        help="The API edition, with --nowebui: /api/predict/<service> is a queue, and its results "
        "are in .../sink. Without it that address is a gateway that waits for the answer.",
    ),
    Flag(
        "service-name",
        "text",
        "service_name",
        "The service's name in /api/predict/<service>: letters, digits, _, - and dots. "
        "Default: easel.",
        SERVER,
    ),
    Flag(
        "max-entry-size",
        "size",
        "max_entry_bytes",
        "Longest entry that a client may put into a queue of /api/predict, such as 64K; beyond it "
        "413. Results are kept whole. Default: 8K.",
        SERVER,
        least=1,
        most=1 << 30,
    ),
    Flag(
        "max-queue-entries",
        "integer",
        "max_queue_entries",
        "Entries that a queue of /api/predict holds; beyond them, or with so many unread results, "
        "429. Default: 100000.",
        SERVER,
        least=1,
    ),
    Flag(
        "max-user-entries",
        "integer",
        "max_user_entries",
        "Entries that one caller but the owner may have in a queue of /api/predict; beyond them, "
        "or with so many unread results, 429. Default: 20000.",
        SERVER,
        least=1,
    ),
    Flag("subpath", "text", "root_path", "Serve below this path, for a reverse proxy.", SERVER),
    Flag(
        "nowebui",
        field="web_ui",
        value=False,
        section=SERVER,
        help="Serve the API without the page.",
    ),
    Flag(
        "webui",
        field="web_ui",
        section=SERVER,
        help="Serve the page. On by default, but not in --edition api.",
    ),
    Flag(
        "api",
        field="api",
        section=SERVER,
        help="Serve /sdapi/v1. On by default; kept for AUTOMATIC1111's command lines.",
    ),
    Flag(
        "no-image-links",
        field="image_links",
        value=False,
        section=SAFETY,
        help="Never fetch pictures from addresses that requests name.",
    ),
    Flag(
        "no-webhooks",
        field="webhooks",
        value=False,
        section=SAFETY,
        help="Never post to addresses that jobs name.",
    ),
    Flag(
        "allow-fetch-from",
        "texts",
        "allow_fetch_from",
        "Fetch pictures from this network too, and post webhooks there (CIDR; repeats). Others "
        "must be public.",
        SAFETY,
    ),
    Flag(
        "a1111-lenient",
        field="lenient",
        section=SERVER,
        help="/sdapi draws with DPM++ 2M, or Automatic, in place of a sampler, or schedule, that "
        "it does not know, as AUTOMATIC1111 does; with the nearest upscaler in place of one of its "
        "stock; and takes null for a number's default. On by default.",
    ),
    Flag(
        "no-a1111-lenient",
        field="lenient",
        value=False,
        section=SERVER,
        help="/sdapi refuses unknown samplers, schedules and upscalers, naming those that are "
        "known, and null where a number is needed.",
    ),
    Flag(
        "codeformer",
        field="codeformer",
        section=SERVER,
        help="Let CodeFormer restore faces; its licence (S-Lab 1.0) allows no commercial use. "
        "Needs spandrel-extra-arches and the weights in models/Codeformer.",
    ),
    Flag(
        "enable-nsfw-censor",
        field="nsfw_censor",
        section=SAFETY,
        help="Withhold indecent pictures; no job is drawn while the censor cannot run.",
    ),
    Flag(
        "enable-insecure-extension-access",
        field="extension_access",
        section=SAFETY,
        help="Let the page install plugins under --listen too. They run code on this machine.",
    ),
    Flag(
        "disable-all-extensions",
        field="disable_extensions",
        value="all",
        section=SAFETY,
        help="Load no plugin, not even those that Easel ships.",
    ),
    Flag(
        "disable-extra-extensions",
        field="disable_extensions",
        value="extra",
        section=SAFETY,
        help="Load only the plugins that Easel ships.",
    ),
    Flag("tls-keyfile", "path", "tls_keyfile", "Private key (PEM) for HTTPS.", SERVER),
    Flag("tls-certfile", "path", "tls_certfile", "Certificate (PEM) for HTTPS.", SERVER),
    Flag(
        "cors-allow-origins",
        "text",
        "cors_allow_origins",
        "Origins such as https://a.example, comma-separated, whose pages may call with a login. "
        "* lets every page call, with credentials of its own and never with a login.",
        SERVER,
    ),
    Flag(
        "cors-allow-origins-regex",
        "text",
        "cors_allow_origins_regex",
        "A regular expression of whole origins, likewise; one that fits any origin is a *.",
        SERVER,
    ),
    Flag(
        "token",
        "text",
        "token",
        "The owner's token: 'Authorization: TOKEN' or 'Bearer TOKEN'. @FILE reads it from a file.",
        SAFETY,
        secret=True,
    ),
    Flag(
        "read-token",
        "texts",
        "read_tokens",
        "A token that reads lists and files and changes nothing. TOKEN, NAME=TOKEN or @FILE with "
        "one a line. Repeatable.",
        SAFETY,
        secret=True,
    ),
    Flag(
        "generate-token",
        "texts",
        "generate_tokens",
        "A token that draws, and sees and stops its own jobs; otherwise as --read-token, without "
        "files. Repeatable.",
        SAFETY,
        secret=True,
    ),
    Flag(
        "metrics-token",
        "texts",
        "metrics_tokens",
        "A token for GET /metrics alone, which is the owner's otherwise. Repeatable.",
        SAFETY,
        secret=True,
    ),
    Flag(
        "api-auth",
        "text",
        "api_auth",
        "user:password[,user2:password2] for HTTP Basic, or @FILE with one of these a line.",
        SAFETY,
        secret=True,
    ),
    Flag(
        "gradio-auth",
        "text",
        "page_auth",
        "user:password[,...] for the login page, or @FILE.",
        SAFETY,
        secret=True,
    ),
    Flag(
        "accounts",
        field="accounts",
        section=SAFETY,
        help="Users with passwords, roles and tokens of their own; see docs/accounts.md.",
    ),
    Flag(
        "root-extensions",
        field="root_extensions",
        section=SAFETY,
        help="Users with --accounts have the plugins in extensions/ too, not only those that Easel "
        "ships.",
    ),
    Flag(
        "enforce-option",
        "texts",
        "enforced_options",
        "An option that holds for all users as an admin has set it; a change is 403. Repeatable.",
        SAFETY,
    ),
    Flag(
        "database-url",
        "text",
        "database_url",
        "Where accounts and the ledger of usage are kept: postgresql://USER:PASSWORD@HOST/DATABASE "
        "or sqlite:///PATH, or @FILE with it. Default: files in the data directory.",
        SAFETY,
        secret=True,
    ),
    Flag(
        "public-address",
        "text",
        "public_address",
        "The address of the service in links of invitations and for --oidc-issuer, such as "
        "https://draw.example. Default: that of the request.",
        SAFETY,
    ),
    Flag(
        "auth-header",
        "text",
        "auth_header",
        "Who asks is the user whom this header names, in requests of --trusted-proxy. Needs "
        "--accounts.",
        SAFETY,
    ),
    Flag(
        "trusted-proxy",
        "texts",
        "trusted_proxies",
        "The network (CIDR) of a reverse proxy: its X-Forwarded-For and -Proto are believed, and "
        "--auth-header, which it takes out of what others send. Repeatable.",
        SAFETY,
    ),
    Flag(
        "oidc-issuer",
        "text",
        "oidc_issuer",
        "Let users log in with this OpenID Connect provider, such as https://id.example/realm. "
        "Needs --accounts.",
        SAFETY,
    ),
    Flag("oidc-client-id", "text", "oidc_client_id", "As what the provider knows Easel.", SAFETY),
    Flag(
        "oidc-client-secret",
        "text",
        "oidc_client_secret",
        "What proves to the provider that it is Easel who asks, or @FILE with it.",
        SAFETY,
        secret=True,
    ),
    Flag(
        "oidc-name-claim",
        "text",
        "oidc_name_claim",
        "What of the provider's token is the user's name. Default: preferred_username.",
        SAFETY,
    ),
    Flag(
        "new-user-role",
        "text",
        "new_user_role",
        "Make a user of this role for everybody whom the proxy or the provider names. Default: "
        "nobody comes in who was not added before.",
        SAFETY,
        choices=("member", "viewer"),
    ),
    Flag(
        "insecure",
        field="insecure",
        section=SAFETY,
        help="With --listen and no credential: let everybody in. Said at every start.",
    ),
    Flag(
        "data-dir",
        "path",
        "data_dir",
        "Models, pictures, settings. Default: data/ beside webui.sh.",
        PATHS,
    ),
    Flag(
        "models-dir",
        "path",
        "models_dir",
        "All model folders but embeddings. Default: models/ in the data directory.",
        PATHS,
    ),
    Flag(
        "mount-path",
        "texts",
        "mount_paths",
        "A prefix in clients' save_dir that means the data directory. Repeatable.",
        PATHS,
    ),
    Flag(
        "ckpt-dir", "paths", "checkpoint_dirs", "One more folder of checkpoints. Repeatable.", PATHS
    ),
    Flag("vae-dir", "paths", "vae_dirs", "One more folder of VAEs. Repeatable.", PATHS),
    Flag(
        "lora-dir",
        "paths",
        "lora_dirs",
        "One more folder of LoRAs. Repeatable.",
        PATHS,
        aliases=("lyco-dir-backcompat",),
    ),
    Flag(
        "embeddings-dir",
        "paths",
        "embedding_dirs",
        "One more folder of embeddings. Repeatable.",
        PATHS,
    ),
    Flag(
        "hypernetwork-dir",
        "paths",
        "hypernetwork_dirs",
        "One more folder of hypernetworks. Repeatable.",
        PATHS,
    ),
    Flag(
        "gfpgan-dir",
        "paths",
        "gfpgan_dirs",
        "One more folder of GFPGAN's weights. Repeatable.",
        PATHS,
    ),
    Flag(
        "controlnet-dir",
        "paths",
        "controlnet_dirs",
        "One more folder of ControlNets. Repeatable.",
        PATHS,
    ),
    Flag(
        "styles-file",
        "paths",
        "styles_files",
        "A styles.csv; may hold wildcards. Repeatable.",
        PATHS,
    ),
    Flag(
        "ckpt",
        "text",
        "default_checkpoint",
        "The checkpoint to use when neither request nor options name one.",
        MODELS,
    ),
    Flag(
        "no-hashing",
        field="hashing",
        value=False,
        section=MODELS,
        help="Never compute sha256 of model files.",
    ),
    Flag(
        "no-default-checkpoint",
        field="install_default",
        value=False,
        section=MODELS,
        help="Do not install Easel's own checkpoint into an empty folder.",
    ),
    Flag(
        "watch",
        "text",
        "watch",
        "How model folders are watched: auto, inotify, poll or off.",
        MODELS,
        choices=("auto", "inotify", "poll", "off"),
    ),
    Flag(
        "decode-budget",
        "size",
        "decode_budget",
        "Memory that the web process spends on decoding pictures, for all requests together, such "
        "as 512M, the default. What does not fit waits some seconds, then gets 503.",
        SERVER,
        least=64 << 20,
    ),
    Flag(
        "body-budget",
        "size",
        "body_budget",
        "Bytes of request bodies that the web process holds, all together. Default: 256M.",
        SERVER,
        least=1 << 20,
    ),
    Flag(
        "queue-url",
        "text",
        "queue_url",
        "The queue's server, Redis 7 or newer or Valkey: redis://[:PASSWORD@]HOST[:PORT][/N], "
        "rediss:// for TLS, unix:///PATH. @FILE reads it from a file. Default: a file in the data "
        "directory (docs/queue.md).",
        SERVER,
        secret=True,
        for_workers=True,
    ),
    Flag("device", "text", "device", "auto, cpu, or cuda:N[,cuda:M].", DEVICE),
    Flag(
        "cache-dir",
        "path",
        "cache_dir",
        "Where hashes, facts and conversions of models are kept. Default: .easel in the data "
        "directory; for a joined worker whose data directory is on a network file system, "
        "easel/<id> in $XDG_CACHE_HOME or ~/.cache, as SQLite's log does not work there.",
        PATHS,
    ),
    Flag(
        "workers-min",
        "integer",
        "workers_min",
        "Workers that stay when there is nothing to do; 0: the first job starts one. Default: as "
        "many as --workers-max.",
        DEVICE,
        least=0,
        most=64,
    ),
    Flag(
        "workers-max",
        "integer",
        "workers_max",
        "Workers at most; beyond one a device, they share the devices; 0: none here, others join "
        "(docs/workers.md). Default: one a device.",
        DEVICE,
        least=0,
        most=64,
    ),
    Flag(
        "idle-seconds",
        "integer",
        "idle_seconds",
        "Seconds without a job after which a worker beyond --workers-min ends. Default: 300.",
        DEVICE,
        least=1,
        most=86_400,
    ),
    Flag(
        "threads",
        "integer",
        "threads",
        "CPU threads of a worker; 0 is all cores.",
        DEVICE,
        least=0,
        most=1024,
    ),
    Flag(
        "max-joint-jobs",
        "integer",
        "max_joint_jobs",
        "Jobs of one checkpoint that a worker draws side by side, sharing calls of the network; "
        "1: one after another. Default: 8.",
        DEVICE,
        least=1,
        most=64,
    ),
    Flag(
        "max-job-megapixel-steps",
        "integer",
        "max_job_megapixel_steps",
        "The work of one job: pictures x width x height x steps / 1,000,000, all passes and cells "
        "of a script together; more is refused with 422. Default: 250000.",
        SERVER,
        least=1,
        most=10**9,
    ),
    Flag(
        "stop-when-client-leaves",
        field="stop_when_client_leaves",
        section=SERVER,
        help="Stop a running job at its next step when its caller has closed the connection and "
        "nobody asked for its progress. Without it the job goes on, as it may save files.",
    ),
    Flag(
        "worker-hang-seconds",
        "integer",
        "worker_hang_seconds",
        "Seconds without a step after which a worker is ended and started again: three times as "
        "many while it loads, six times for work that tells no steps, more for large pictures. "
        "0: never. Default: 600.",
        DEVICE,
        least=0,
        most=86_400,
    ),
    Flag(
        "no-half", field="half", value=False, section=DEVICE, help="Compute in fp32 on a GPU too."
    ),
    Flag(
        "disable-nan-check",
        field="check_nan",
        value=False,
        section=DEVICE,
        help="Answer a picture even where a network produced NaN.",
    ),
    Flag(
        "sd-dynamic-cache",
        field="sd_dynamic_cache",
        section=DEVICE,
        help="Keep checkpoints, VAEs, LoRAs and ControlNets in RAM until less than "
        "--min-ram-reserved, or a tenth of it, is free. Without it a quarter stays free.",
    ),
    Flag(
        "min-ram-reserved",
        "integer",
        "min_ram_reserved",
        "GB of RAM that stay free when weights are kept in it; what was used longest ago leaves.",
        DEVICE,
        least=1,
        most=65_536,
    ),
    Flag(
        "medvram",
        field="placement",
        value="components",
        section=DEVICE,
        help="Text encoder, U-Net and VAE come to the graphics card by turns and else rest in RAM.",
    ),
    Flag(
        "lowvram",
        field="placement",
        value="blocks",
        section=DEVICE,
        help="As --medvram, and the U-Net comes block by block: slow, in very little memory.",
    ),
    Flag(
        "vram-budget",
        "integer",
        "vram_budget",
        "GB of a graphics card's memory for weights, at most. Default: what is free on it.",
        DEVICE,
        least=1,
        most=65_536,
    ),
    Flag(
        "upload-largest",
        "size",
        "upload_largest",
        "The largest file that may be uploaded, such as 20G. Default: 1T.",
        FILES,
        least=1,
    ),
    Flag(
        "upload-quota",
        "size",
        "upload_quota",
        "What all files of a tree may take, such as 500G: uploads, copies, archives taken apart, "
        "texts, plugins and saved pictures beyond it get 507. Default: 0, whatever the disk holds.",
        FILES,
        least=0,
    ),
    Flag(
        "upload-spare",
        "size",
        "upload_spare",
        "What is left free on the disk by uploads, copies, drawing and whatever else a caller has "
        "written, so that deleting always works. Default: 256M.",
        FILES,
        least=0,
    ),
    Flag(
        "upload-keep",
        "integer",
        "upload_keep",
        "Hours after its last byte for which an unfinished upload is kept. Default: 48.",
        FILES,
        least=1,
        most=8760,
    ),
    Flag(
        "max-listings",
        "integer",
        "max_listings",
        "Listings, searches, sums and archives of one caller at once, WebDAV's included; beyond "
        "them 429. Default: 8.",
        FILES,
        least=1,
    ),
    Flag(
        "allow-pickle-upload",
        field="allow_pickle_upload",
        section=FILES,
        help="Take .ckpt, .pt, .pth and .bin too. They are read with an allow-list, and may hold "
        "code for programs that do not.",
    ),
    Flag(
        "filebrowser",
        field="filebrowser",
        section=FILES,
        help="Files in a tab and by API. On by default; off with --nowebui unless given.",
    ),
    Flag(
        "no-filebrowser",
        field="filebrowser",
        value=False,
        section=FILES,
        help="No tab and no API for files.",
    ),
    Flag(
        "browse-root",
        "texts",
        "browse_roots",
        "NAME=PATH or NAME=PATH:ro: one more tree to browse, beside data. Repeatable.",
        FILES,
    ),
    Flag(
        "folder-rights",
        "texts",
        "folder_rights",
        "FOLDER=view or FOLDER=read, such as public=view: what all but the owner may do there at "
        "most; view: look, not download. Repeatable.",
        FILES,
    ),
    Flag(
        "allow-code-upload",
        field="code_upload",
        section=FILES,
        help="Let the file browser write into extensions/, whose files are run.",
    ),
    Flag(
        "trash-days",
        "integer",
        "trash_days",
        "How long deleted files can be restored; 0: until the trash is emptied. Default: 30.",
        FILES,
        least=0,
        most=36500,
    ),
    Flag("api-log", field="api_log", section=LOGS, help="Log each API request in a line."),
    Flag(
        "time-log",
        field="time_log",
        section=LOGS,
        help="Log how long requests took, and jobs waited and worked.",
    ),
    Flag("log-json", field="log_json", section=LOGS, help="Log in JSON, a line an event."),
    *_ignored_flags(
        SERVER,
        "gunicorn and our own routes serve here; there is no gradio, share link or tunnel.",
        "disable-tls-verify no-gradio-queue gradio-queue gradio-debug share",
        "ngrok-options ngrok-region gradio-allowed-path gradio-auth-path timeout-keep-alive",
    ),
    Flag(
        "ngrok",
        "text",
        help="gunicorn and our own routes serve here; there is no gradio, share link or tunnel.",
        section=SERVER,
        secret=True,
    ),
    Flag(
        "api-server-stop",
        field="api_server_stop",
        section=SERVER,
        help="Let the owner end and restart the service by the API.",
        aliases=("add-stop-route",),
    ),
    *_ignored_flags(
        SERVER,
        "The worker loads in the background; requests wait for it.",
        "skip-load-model-at-start",
    ),
    *_ignored_flags(
        PATHS,
        "The data directory holds these (docs/models.md).",
        "",
        (
            "config vae-path textual-inversion-templates-dir "
            "localizations-dir gfpgan-model codeformer-models-path "
            "gfpgan-models-path esrgan-models-path bsrgan-models-path "
            "realesrgan-models-path dat-models-path scunet-models-path "
            "swinir-models-path ldsr-models-path clip-models-path ui-config-file "
            "ui-settings-file controlnet-annotator-models-path"
        ),
    ),
    *_ignored_flags(
        DEVICE,
        "Easel decides by what the device can hold.",
        (
            "medvram-sdxl lowram no-half-vae upcast-sampling "
            "opt-channelslast use-ipex "
            "disable-model-loading-ram-optimization no-half-controlnet "
            "controlnet-tracemalloc"
        ),
        ("precision use-cpu device-id controlnet-preprocessor-cache-size controlnet-loglevel"),
    ),
    *_ignored_flags(
        DEVICE,
        "torch's own attention is used, which is exact and fast.",
        (
            "xformers force-enable-xformers xformers-flash-attention "
            "opt-sdp-attention opt-sdp-no-mem-attention opt-split-attention "
            "opt-split-attention-v1 opt-split-attention-invokeai "
            "opt-sub-quad-attention disable-opt-split-attention blade"
        ),
        "sub-quad-q-chunk-size sub-quad-kv-chunk-size sub-quad-chunk-threshold",
    ),
    *_ignored_flags(
        SAFETY,
        "Pickles are read with an allow-list: nothing in them runs, and no code from the page.",
        "allow-code disable-safe-unpickle",
    ),
    *_ignored_flags(
        SAFETY,
        ELSEWHERE,
        ("hide-ui-dir-config freeze-settings"),
        "freeze-settings-in-sections freeze-specific-settings",
    ),
    *_ignored_flags(
        MODELS, "Easel downloads nothing on its own.", "no-download-sd-model do-not-download-clip"
    ),
    *_ignored_flags(MODELS, ELSEWHERE, "public-cache"),
    Flag(
        "always-hide-tabs",
        "texts",
        "hidden_tabs",
        "Sections that the page does not show, by AUTOMATIC1111's name or label, or a plugin's "
        "title; with commas between them, repeats. It is no lock: the API answers as before.",
        PAGE,
    ),
    *_ignored_flags(
        PAGE,
        "The page is Easel's own.",
        (
            "autolaunch use-textbox-seed no-progressbar-hiding "
            "disable-console-progressbars ui-debug-mode no-prompt-history "
            "show-negative-prompt just-ui"
        ),
        "theme gradio-img2img-tool gradio-inpaint-tool server-path",
    ),
    *_ignored_flags(PAGE, "A user's name is who logs in (--accounts).", "", "uid"),
    *_ignored_flags(
        PATHS,
        "File names are always safe on every system.",
        "unix-filenames-sanitization",
        "filenames-max-length",
    ),
    *_ignored_flags(LOGS, BUILT_IN, "log-startup dump-sysinfo enable-console-prompts", "loglevel"),
    *_ignored_flags(
        SETUP,
        "webui.sh installs exactly the locked versions, once.",
        (
            "skip-install skip-prepare-environment skip-python-version-check "
            "skip-torch-cuda-test skip-version-check reinstall-torch "
            "reinstall-xformers update-check update-all-extensions test-server f "
            "administrator"
        ),
    ),
    *_ignored_flags(
        SETUP,
        "Without effect in AUTOMATIC1111 too.",
        "always-batch-cond-uncond unload-gfpgan deepdanbooru",
        "max-batch-count",
    ),
)
