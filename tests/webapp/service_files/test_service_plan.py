"""From a service file to flags, folders and a list of what has no effect."""

from pathlib import Path
from typing import Any

import pytest

from tests.webapp.service_files.samples import ASYNC, DATA, STANDARD, small, write
from webapp.service_files.errors import BadServiceFile
from webapp.service_files.plan import PlanTerms, ServicePlan, read_plan
from webapp.service_files.plan_text import plan_lines

HOME = "/code/stable-diffusion-webui"


def plan(tmp_path: Path, content: Any, *flags: str, **terms: Any) -> ServicePlan:
    """The plan of a file, with folders below ``tmp_path``; no environment."""
    services = PlanTerms(tmp_path / "services", flags=flags, **terms)
    return read_plan(write(tmp_path, content), services, {})


def refused(tmp_path: Path, content: Any, *flags: str, **terms: Any) -> str:
    """Why a file is refused; nothing was made for it."""
    with pytest.raises(BadServiceFile) as refusal:
        plan(tmp_path, content, *flags, **terms)
    assert not (tmp_path / "services").exists()
    return str(refusal.value)


def test_the_standard_sample(tmp_path: Path) -> None:
    planned = plan(tmp_path, STANDARD)
    config = planned.config
    assert (planned.name, config.edition, config.service_name) == ("sd_v32", "standard", "sd_v32")
    assert (config.host, config.port, config.web_ui, config.workers_max) == (
        "0.0.0.0",
        8000,
        True,
        1,
    )
    assert config.data_dir == tmp_path / "services/sd_v32/mounts/data"
    assert config.mount_paths[0] == DATA
    assert not (tmp_path / "services").exists()


def test_the_async_sample(tmp_path: Path) -> None:
    config = plan(tmp_path, ASYNC).config
    assert (config.edition, config.asynchronous, config.web_ui) == ("api", True, False)
    assert (config.max_delivery, config.api_log, config.time_log) == (1, True, True)
    assert config.max_queue_entries == int(4000 * (1 << 20) * 0.9 * 0.5 / (8 << 10))


@pytest.mark.parametrize("content", [STANDARD, ASYNC])
def test_every_value_is_used_or_told(tmp_path: Path, content: Any) -> None:
    planned = plan(tmp_path, content)
    text = "\n".join(plan_lines(planned))
    told = {each.place for each in planned.unused}
    assert {"cloud.computing.instance_type", "cloud.networking.vpc_id"} <= told
    assert "storage[0].properties.resource_type" in told
    assert "metadata.name" not in told
    assert all(each.place in text and each.why in text for each in planned.unused)
    assert "oss://examplebucket/" in text
    assert "--skip-version-check" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("parts", "field", "value"),
    [
        ({"metadata": {"name": "abc", "type": "SDCluster"}}, "edition", "cluster"),
        ({"metadata": {"name": "abc"}, "meta": {"type": "Async"}}, "asynchronous", True),
        ({"metadata": {"name": "abc", "enable_webservice": False}}, "web_ui", False),
        ({"metadata": {"name": "abc", "enable_webservice": "true"}}, "web_ui", True),
        ({"metadata": {"name": "abc", "instance": 3}}, "workers_max", 3),
        ({"autoscaler": {"min": 0, "max": 4}}, "workers_max", 4),
        ({"autoscaler": {"min": 0, "max": 4}}, "workers_min", 0),
        ({"rpc": {"max_queue_size": 64}}, "max_waiting_requests", 64),
        ({"queue": {"max_delivery": 0}}, "max_delivery", 0),
        ({"queue": {"source.max_length": 9, "sink": {"max_length": 7}}}, "max_queue_entries", 7),
        ({"queue": {"max_length": 5, "memory": 4000}}, "max_queue_entries", 5),
        ({"queue": {"source": {"max_payload_size_kb": 64}}}, "max_entry_bytes", 64 << 10),
        ({"queue": {"memory": 1, "sink.memory_ratio": 1}}, "max_queue_entries", 1),
        ({}, "port", 8000),
    ],
)  # fmt: skip
def test_keys_are_flags(tmp_path: Path, parts: Any, field: str, value: object) -> None:
    assert getattr(plan(tmp_path, small(**parts)).config, field) == value


@pytest.mark.parametrize(
    ("tag", "edition"), [("4.2-api", "api"), ("4.1-cluster-webui", "cluster"), ("4.2", "standard")]
)
def test_the_image_names_the_edition_where_no_type_does(
    tmp_path: Path, tag: str, edition: str
) -> None:
    container = {"image": f"x/stable-diffusion-webui:{tag}", "script": "./webui.sh"}
    assert plan(tmp_path, small(containers=[container])).config.edition == edition


def test_the_cluster_switch_in_the_script_is_the_cluster_edition(tmp_path: Path) -> None:
    planned = plan(tmp_path, small("./webui.sh --cluster-status --sd-dynamic-cache"))
    assert (planned.config.edition, planned.config.sd_dynamic_cache) == ("cluster", True)


def test_a_file_of_the_cluster_edition(tmp_path: Path) -> None:
    content = {
        "metadata": {"name": "sd_cluster", "instance": 2, "type": "SDCluster", "cpu": 16, "gpu": 1,
                     "memory": 62000, "enable_webservice": "true"},
        "meta": {"type": "SDCluster"},
        "options": {"enableCache": True},
        "storage": [{"mount_path": f"{HOME}/data-nas", "nfs": {"path": "/", "server": "nas"},
                     "properties": {}}],
        "containers": [{
            "image": "x/stable-diffusion-webui:4.1", "port": 8000,
            "script": "./webui.sh --listen --port=8000 --api --cluster-status --sd-dynamic-cache "
                      f"--data-dir={HOME}/data-nas",
        }],
    }  # fmt: skip
    planned = plan(tmp_path, content)
    config = planned.config
    assert (config.edition, config.workers_max, config.sd_dynamic_cache) == ("cluster", 2, True)
    assert config.data_dir == tmp_path / "services/sd_cluster/mounts/data-nas"
    assert [each.place for each in planned.unused] == [
        "metadata.cpu", "metadata.gpu", "metadata.memory", "options.enableCache",
        "containers[0].image",
    ]  # fmt: skip


def test_what_the_script_and_the_command_line_say_wins(tmp_path: Path) -> None:
    metadata = {"name": "abc", "instance": 3, "type": "Async"}
    content = small("./webui.sh --workers-max 2 --webui", metadata=metadata)
    config = plan(tmp_path, content).config
    assert (config.workers_max, config.web_ui, config.asynchronous) == (2, True, True)
    config = plan(tmp_path, content, "--workers-max", "5", "--port", "9", name="other").config
    assert (config.workers_max, config.port, config.service_name) == (5, 9, "other")


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"metadata": {}}, "metadata.name is missing"),
        ({"metadata": {"name": "../x"}}, "3 to 63 small letters"),
        ({"metadata": {"name": "Sd-V32"}}, "3 to 63 small letters"),
        ({"metadata": {"name": "abc", "type": "async"}}, "Async or SDCluster is expected"),
        ({"containers": []}, "containers is missing; one with a script"),
        ({"containers": [{"script": "x"}, {"script": "y"}]}, "containers has 2 elements"),
        ({"containers": [{"image": "x"}]}, "neither script nor command"),
        ({"containers": [{"script": "./webui.sh", "command": "./webui.sh"}]}, "script and command"),
        ({"containers": [{"script": "./webui.sh --port 8001", "port": 8000}]},
         "containers[0].port is 8000, and the script says --port 8001"),
        ({"containers": [{"script": "./webui.sh --port x"}]}, "--port 'x' is no number"),
        ({"containers": [{"script": "./webui.sh --port"}]}, "--port has no value"),
        ({"containers": [{"script": "./webui.sh --prot 8000"}]}, "Did you mean --port?"),
        ({"autoscaler": {"min": 3, "max": 2}}, "autoscaler.min is 3"),
        ({"token": "two words"}, "token is not one word"),
        ({"token": "@/etc/passwd"}, "token is not one word"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_run_are_refused(tmp_path: Path, parts: Any, sentence: str) -> None:
    assert sentence in refused(tmp_path, small(**parts))


def test_an_empty_name_is_a_wrong_one(tmp_path: Path) -> None:
    assert "--name is ''; 3 to 63" in refused(tmp_path, STANDARD, name="")


def test_partly_used_values_are_told(tmp_path: Path) -> None:
    env = [
        {"name": "LD_PRELOAD", "value": "x.so"},
        {"name": "COMMANDLINE_ARGS", "value": "--listen"},
    ]
    planned = plan(
        tmp_path,
        {
            "metadata": {"name": "abc", "rpc.worker_threads": 5, "enable_webservice": True},
            "containers": [{"script": "./webui.sh --nowebui", "env": env}],
            "queue": {"memory": 4000, "source.auto_evict": True},
            "dockerAuth": "c2VjcmV0",
        },
    )  # fmt: skip
    told = {each.place: (each.value, each.why) for each in planned.unused}
    assert planned.config.listen
    assert "one job at a time" in told["metadata.rpc.worker_threads"][1]
    assert "--nowebui" in told["metadata.enable_webservice"][1]
    assert "evicts nothing" in told["queue.source.auto_evict"][1]
    assert "API edition" in told["queue.memory"][1]
    assert told["containers[0].env[0].name"][0] == "'LD_PRELOAD'"
    assert "containers[0].env[1].name" not in told
    assert told["dockerAuth"][0] == "(not shown)"


def test_secrets_are_in_no_text_of_the_plan(tmp_path: Path) -> None:
    content = small("./webui.sh --api-auth ann:canary1", token="canary2", dockerAuth="canary3")
    content["containers"][0]["env"] = [{"name": "KEY", "value": "canary4"}]
    planned = plan(tmp_path, content, "--generate-token", "canary567")
    text = "\n".join(plan_lines(planned))
    assert "canary" not in text
    assert "canary" not in " ".join(planned.words)
    assert planned.secret_words == ("--api-auth", "ann:canary1", "--generate-token", "canary567")
    assert planned.token is not None
    assert planned.token.reveal() == "canary2"


STORAGE = [
    {"mount_path": f"{HOME}/data-oss", "oss": {"path": "oss://b/one/", "readOnly": True}},
    {"mount_path": f"{HOME}/data-nas", "nfs": {"server": "nas", "path": "/share"}},
    {"mount_path": f"{HOME}/data-nas", "dataset": {"id": "d-1"}},
]


def test_paths_of_the_container_are_paths_of_folders(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    script = (
        "./webui.sh --data-dir data-nas/sd --ckpt-dir /code/stable-diffusion-webui/data-oss/ckpt "
        f"--lora-dir={HOME}/data-oss//loras"
    )
    planned = plan(tmp_path, small(script, storage=STORAGE), mounts=(f"oss://b/one={models}",))
    config, made = planned.config, tmp_path / "services/small/mounts/data-nas"
    assert config.data_dir == made / "sd"
    assert config.checkpoint_dirs == (models / "ckpt",)
    assert config.lora_dirs == (models / "loras",)
    assert config.mount_paths == (f"{HOME}/data-nas/sd", f"{HOME}/data")
    assert config.browse_roots == (("data-oss", models, False),)
    assert [mount.is_made for mount in planned.mounts] == [False, True]


@pytest.mark.parametrize("source", ["nfs://nas/share", "dataset://d-1", f"{HOME}/data-nas/"])
def test_a_folder_is_named_by_source_or_mount_path(tmp_path: Path, source: str) -> None:
    content = small(f"./webui.sh --data-dir={HOME}/data-nas", storage=STORAGE)
    planned = plan(tmp_path, content, mounts=(f"{source}={tmp_path}",))
    assert planned.config.data_dir == tmp_path


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("./webui.sh --data-dir=/mnt/x", "--data-dir '/mnt/x' is under no mount path"),
        (f"./webui.sh --data-dir={HOME}/data-nas/../../../etc", "under no mount path"),
        (f"./webui.sh --data-dir={HOME}/data-oss", "storage[0] is read only"),
        ("./webui.sh --data-dir=data-nas --ckpt-dir /etc", "--ckpt-dir '/etc' is /etc in the"),
        ("./webui.sh --data-dir=data-nas --ckpt-dir ../../x", "is /x in the container"),
        ("./webui.sh --data-dir=data-nas --browse-root a=/etc:ro", "--browse-root '/etc'"),
        ("./webui.sh --data-dir=data-nas --tls-keyfile", "--tls-keyfile has no value"),
        ("./webui.sh --data-dir --listen", "--data-dir has no value"),
        ("./webui.sh --data-dir=data-nas --use-cpu --ckpt-dir /etc", "--ckpt-dir '/etc' is /etc"),
        ("./webui.sh --data-dir=data-nas --token @/etc/passwd", "--token names a file of the cont"),
    ],
)
def test_no_path_of_this_machine_is_reached(tmp_path: Path, script: str, sentence: str) -> None:
    assert sentence in refused(tmp_path, small(script, storage=STORAGE))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/", "a folder of the system"),
        ("/etc/easel", "a folder of the system"),
        ("//usr//lib", "a folder of the system"),
        ("data", "a path from the container's root"),
        (f"{HOME}/../../etc", "without .."),
        ("/mnt/../etc", "without .."),
        ("/" + "x" * 2000, "a path from the container's root"),
        (f"{HOME}/data-nas/inner", "lies in"),
        (None, "storage[3].mount_path is missing"),
    ],
)
def test_mount_paths_that_do_not_fit(tmp_path: Path, path: str | None, sentence: str) -> None:
    storage = [*STORAGE, {"mount_path": path, "oss": {"path": "oss://c/d"}}]
    assert sentence in refused(tmp_path, small("./webui.sh --data-dir=data-nas", storage=storage))


@pytest.mark.parametrize(
    ("mount", "sentence"),
    [
        ("oss://b/two=.", "Did you mean oss://b/one?"),
        ("zzz=.", "It mounts oss://b/one, /code"),
        ("oss://b/one", "takes SOURCE=DIR"),
        ("oss://b/one=/none/such", "/none/such is no folder"),
        ("oss://b/one=/dev/null", "is no folder"),
    ],
)
def test_mounts_that_do_not_fit(tmp_path: Path, mount: str, sentence: str) -> None:
    content = small("./webui.sh --data-dir=data-nas", storage=STORAGE)
    assert sentence in refused(tmp_path, content, mounts=(mount,))


def test_alternatives_take_one_folder(tmp_path: Path) -> None:
    content = small("./webui.sh --data-dir=data-nas", storage=STORAGE)
    mounts = (f"nfs://nas/share={tmp_path}", "dataset://d-1=/tmp")
    assert "are alternatives" in refused(tmp_path, content, mounts=mounts)
    two = [{"mount_path": "/x", "oss": {"path": "oss://a"}, "nfs": {"server": "b"}}]
    assert "storage[0] has oss and nfs" in refused(tmp_path, small(storage=two))
    bare = [{"mount_path": "/x", "oss": {"path": "b/a"}}]
    assert "oss://BUCKET/PATH" in refused(tmp_path, small(storage=bare))


def test_without_data_dir_what_is_mounted_in_the_web_uis_folder_is_it(tmp_path: Path) -> None:
    own = tmp_path / "services/small"
    assert plan(tmp_path, small(storage=STORAGE)).config.data_dir == own / "mounts/data-nas"
    for storage in ([], [{"mount_path": "/mnt/models"}], STORAGE[:1]):
        config = plan(tmp_path, small(storage=storage)).config
        assert config.data_dir == own / "data"
        assert config.mount_paths[0] == DATA


def test_nothing_of_the_file_writes_lines_of_its_own(tmp_path: Path) -> None:
    features = {"a\nsd_v32 runs at http://evil": "x\ny"}
    text = "\n".join(plan_lines(plan(tmp_path, small(features=features))))
    assert r"'features.a\nsd_v32 runs at http://evil' = 'x\ny'" in text
    for name in ("mount_path", "git"):
        value = "/mnt/a\nb" if name == "mount_path" else {"repo": "a\u202eb"}
        assert refused(tmp_path, small(storage=[{"mount_path": "/mnt/c", name: value}]))
    assert "not printable" in refused(tmp_path, small("./webui.sh --ckpt 'a\nb'"))


def test_folders_of_equal_names_are_kept_apart(tmp_path: Path) -> None:
    storage = [{"mount_path": f"/{top}/data"} for top in ("a", "b")] + [{"mount_path": "/c/-"}]
    planned = plan(tmp_path, small("./webui.sh --data-dir /a/data", storage=storage))
    assert [mount.folder.name for mount in planned.mounts] == ["data", "data-2", "mount"]
    assert [name for name, *_ in planned.config.browse_roots] == ["data-mount", "mount"]


SHELL = ["$(id)", "`id`", "$HOME", "x; id", "x | id", "x && id", "x > y", "x < y", "x &", "*.pt",
         '"\\$x"', "x\nid", "(id)", "{a,b}", "~/x", "x # y", '"$(id)"', '"`id`"']  # fmt: skip


@pytest.mark.parametrize("words", SHELL)
def test_no_shell_reads_the_script(tmp_path: Path, words: str) -> None:
    why = refused(tmp_path, small(f"./webui.sh --ckpt {words}"))
    assert why.startswith("containers[0].script: it holds ")
    assert "quote a value" in why


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("", "only the web UI is run"),
        ("python kohya_gui.py --headless", "it runs 'python kohya_gui.py'"),
        ("rm -rf /", "it runs 'rm -rf'"),
        ("bash -c './webui.sh --listen'", "it runs 'bash -c'"),
        ("A=1 ./webui.sh", "it sets a variable"),
        ("./webui.sh 'x", "No closing quotation"),
        ("./webui.sh " + "x " * 2000, "2001 words"),
    ],
    ids=lambda text: text[:20],
)
def test_scripts_that_are_not_the_web_ui(tmp_path: Path, script: str, sentence: str) -> None:
    assert sentence in refused(tmp_path, small(script))


@pytest.mark.parametrize(
    "container",
    [
        {"script": "bash /code/webui.sh --ckpt 'a $b; c' --port 8001 "},
        {"script": './webui.sh \\\n --ckpt "a "\\$"b; c" \\\n --port=8001'},
        {"script": "python -u launch.py --ckpt a\\ \\$b\\;\\ c --port 8001"},
        {"command": "./webui.sh --port 8001", "args": ["--ckpt", "a $b; c"]},
        {"command": ["python3", "webui.py", "--ckpt=a $b; c"], "args": ["--port", "8001"]},
    ],
)
def test_command_lines_are_read_as_a_shell_would(tmp_path: Path, container: Any) -> None:
    config = plan(tmp_path, small(containers=[container])).config
    assert (config.default_checkpoint, config.port) == ("a $b; c", 8001)
