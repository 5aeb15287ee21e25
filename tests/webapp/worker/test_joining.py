"""What a worker that joins by itself checks, and that it follows its service."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from webapp.process_tree import SUPERVISOR_VARIABLE, boot_identity
from webapp.queues.contracts.service_notices import ServiceNotice
from webapp.queues.service_notice import NoticeThread
from webapp.queues.sqlite.store import SqliteStore
from webapp.settings.config import Config, parse
from webapp.settings.data_dir import queue_file
from webapp.settings.service_file import SERVICE_FILE, publish_service, read_service
from webapp.version import VERSION
from webapp.worker import joining
from webapp.worker.joining import (
    CannotJoin,
    Membership,
    check_queue,
    describe_clocks,
    is_joining,
    join_folder,
)

NOW = 1_800_000_000.0


@pytest.fixture
def served(tmp_path: Path) -> Config:
    """The configuration of a service that has used its data directory."""
    config = Config(tmp_path / "data", max_delivery=1, nsfw_censor=True, threads=3)
    config.easel_dir.mkdir(parents=True)
    publish_service(config)
    return config


@pytest.fixture
def store(served: Config) -> Iterator[SqliteStore]:
    """Its queue."""
    store = SqliteStore(queue_file(served))
    yield store
    store.close()


def on_file_system(monkeypatch: pytest.MonkeyPatch, kind: str, *places: Path) -> None:
    """Say that folders lie on a file system of that type."""
    mounts = {Path("/"): "ext4", **dict.fromkeys(places, kind)}
    monkeypatch.setattr(joining, "read_mounts", lambda: mounts)


def test_only_what_no_supervisor_started_joins() -> None:
    assert is_joining({})
    assert not is_joining({SUPERVISOR_VARIABLE: "17"})


def test_a_worker_follows_the_flags_of_its_service_and_keeps_its_own(served: Config) -> None:
    own = Config(served.data_dir, device="cuda:0", threads=1)
    config = join_folder(own, queue_file(own)).config
    assert (config.max_delivery, config.nsfw_censor) == (1, True)
    assert (config.device, config.threads, config.cache_folder) == ("cuda:0", 1, own.easel_dir)


def test_the_data_directory_is_known_by_its_id_wherever_it_is_mounted(served: Config) -> None:
    before = read_service(served.easel_dir)
    assert before is not None
    assert publish_service(replace(served, max_delivery=7)).data_id == before.data_id
    moved = served.data_dir.rename(served.data_dir.with_name("elsewhere"))
    found = join_folder(Config(moved), None)
    assert (found.facts.data_id, found.config.max_delivery) == (before.data_id, 7)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"data_id": 5}', "[" * 100_000])
def test_a_folder_that_no_service_has_used_is_told(served: Config, text: str) -> None:
    (served.easel_dir / SERVICE_FILE).write_text(text)
    with pytest.raises(CannotJoin, match="start the web process first"):
        join_folder(served, None)
    publish_service(served)  # what cannot be read is written anew
    assert join_folder(served, None).facts.version == VERSION


def rewrite_facts(config: Config, **facts: object) -> None:
    """Change what the service's file says."""
    file = config.easel_dir / SERVICE_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), **facts}))


def test_another_version_of_easel_is_refused_with_both_named(served: Config) -> None:
    rewrite_facts(served, version="9.9.9")
    with pytest.raises(CannotJoin, match=rf"Easel 9\.9\.9, this worker Easel {VERSION}"):
        join_folder(served, None)


def test_a_flag_of_another_form_than_ours_is_not_followed(served: Config) -> None:
    rewrite_facts(served, flags={"max_delivery": "many", "unknown": 1})
    assert join_folder(Config(served.data_dir), None).config.max_delivery == 5


def test_a_folder_that_this_user_cannot_write_is_told(
    served: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(joining, "check_writable", fail)
    with pytest.raises(CannotJoin, match=f"by user {os.geteuid()}: Permission denied"):
        join_folder(served, None)


@pytest.mark.parametrize("kind", ["nfs4", "nfs", "cifs", "smb3", "ceph", "fuse.sshfs", "9p"])
def test_a_sqlite_queue_on_a_network_file_system_is_refused(
    served: Config, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    on_file_system(monkeypatch, kind, served.data_dir)
    with pytest.raises(CannotJoin, match=rf"network file system \({kind}\).*--queue-url redis:"):
        join_folder(served, queue_file(served))
    assert not queue_file(served).exists()  # not even opened


def test_a_sqlite_queue_of_another_machine_is_refused(served: Config) -> None:
    rewrite_facts(served, boot="another")
    with pytest.raises(CannotJoin, match=r"on another machine.*--queue-url"):
        join_folder(served, queue_file(served))
    join_folder(served, None)  # a server's queue has no such limit
    rewrite_facts(served, boot=boot_identity())
    join_folder(served, queue_file(served))


def test_caches_of_a_shared_folder_are_this_machines_own(
    served: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_file_system(monkeypatch, "nfs4", served.data_dir)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = join_folder(served, None)
    assert found.config.cache_folder == tmp_path / "cache/easel" / found.facts.data_id
    chosen = join_folder(parse(["--data-dir", str(served.data_dir), "--cache-dir", "/c"], {}), None)
    assert chosen.config.cache_folder == Path("/c")


def test_a_queue_that_nobody_serves_is_told(served: Config, store: SqliteStore) -> None:
    facts = join_folder(served, None).facts
    with pytest.raises(CannotJoin, match="Start the web process first"):
        check_queue(store, facts, NOW)
    notices = NoticeThread(store, facts.data_id, VERSION, clock=lambda: NOW)
    notices.stop()
    notices.run()
    check_queue(store, facts, NOW)


def test_a_queue_of_another_data_directory_is_refused(served: Config, store: SqliteStore) -> None:
    store.publish_notice(ServiceNotice("theirs", VERSION, NOW))
    with pytest.raises(CannotJoin, match="one of --queue-url and --data-dir is another service's"):
        check_queue(store, join_folder(served, None).facts, NOW)


def test_what_a_later_easel_says_counts_as_another_version(
    served: Config, store: SqliteStore
) -> None:
    facts = join_folder(served, None).facts
    store.publish_notice(ServiceNotice(facts.data_id, "", NOW))
    with pytest.raises(CannotJoin, match="a later version"):
        check_queue(store, facts, NOW)


@pytest.mark.parametrize(
    ("ahead", "told"), [(0, ""), (10, ""), (-40, ""), (60, "60 seconds behind"), (-60, "ahead")]
)
def test_clocks_that_differ_are_told_and_tolerated(ahead: float, told: str) -> None:
    text = describe_clocks(ServiceNotice("", "", NOW + ahead), NOW)
    assert told in text
    assert bool(text) == bool(told)


def test_a_worker_leaves_when_the_web_process_is_of_another_version(
    served: Config, store: SqliteStore
) -> None:
    facts, seconds = join_folder(served, None).facts, [0.0]
    membership = Membership(store, facts, clock=lambda: seconds[0])
    store.publish_notice(ServiceNotice(facts.data_id, "9.9.9", NOW))
    assert membership.reason_to_leave() == ""  # it was looked at when it joined
    seconds[0] += 31
    assert "9.9.9" in membership.reason_to_leave()
    store.publish_notice(ServiceNotice(facts.data_id, VERSION, NOW))
    seconds[0] += 31
    assert membership.reason_to_leave() == ""


def test_a_notice_is_withstood_by_a_store_that_cannot_be_written(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.close()
    notices = NoticeThread(store, "id", VERSION)
    for _ in range(2):
        notices._publish()
    assert sum("does not say whose" in record.message for record in caplog.records) == 1


def test_nothing_is_read_where_nothing_was_said(store: SqliteStore) -> None:
    assert store.read_notice() is None
    store.publish_notice(ServiceNotice("id", VERSION, NOW))
    assert store.workers() == []  # the notice is no worker


def start_worker(*words: str) -> "subprocess.CompletedProcess[str]":
    """``easel worker`` as somebody starts it by hand."""
    environment = {k: v for k, v in os.environ.items() if k != SUPERVISOR_VARIABLE}
    command = [sys.executable, "-m", "webapp", "worker", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_the_command_says_why_it_cannot_join(tmp_path: Path) -> None:
    refused = start_worker("--data-dir", str(tmp_path), "--device", "cpu")
    assert refused.returncode == 1
    assert f"No service has used the data directory {tmp_path} yet" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert list(tmp_path.iterdir()) == []
    several = start_worker("--data-dir", str(tmp_path), "--device", "cuda:0,cuda:1")
    assert several.returncode == 1
    assert "one" in several.stderr or "CUDA" in several.stderr


def test_the_command_says_that_the_queue_does_not_answer(served: Config) -> None:
    address = "redis://:secret-of-the-queue@127.0.0.1:1/0"
    words = ("--data-dir", str(served.data_dir), "--device", "cpu", "--queue-url", address)
    refused = start_worker(*words)
    assert refused.returncode == 1
    assert "The queue's server redis://127.0.0.1:1 cannot be used now" in refused.stderr
    assert "secret" not in refused.stderr


def test_the_command_explains_itself() -> None:
    shown = start_worker("--help")
    assert (shown.returncode, "--queue-url" in shown.stdout) == (0, True)
