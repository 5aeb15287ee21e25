"""Damaged databases and state never keep the service from starting, and cost what they held."""

import json
import os
import shutil
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from filebrowser.database import FileDatabase, FileDatabaseSchema
from filebrowser.index.schema import prepare_database
from filebrowser.operations.job_store import FileJobStore
from filebrowser.shares.store import ShareStore
from generator.models.contents_cache import ContentsCache
from generator.models.file_contents import FileContents
from generator.models.hashes import HashCache, Hashes
from generator.models.kinds import ModelKind
from plugins.hung_mark import mark_hung, read_hung
from plugins.nsfw_censor.audit import count_withheld as note_withheld
from plugins.pace.records import PaceRecords
from tests.wait import wait_until
from tests.webapp.web_process import WebProcess, web_process
from webapp.app import create_app
from webapp.files.caller_rights import roots_of
from webapp.files.upload_policy import uploads_of
from webapp.plugins.plugin_catalogue import PluginCatalogue
from webapp.queues.sqlite.store import SqliteStore
from webapp.services import build_services
from webapp.settings.config import Config
from webapp.worker.save_journal import SaveJournal

DATABASES = ("queue.db", "files.db", "file-jobs.db", "shares.db", "hashes.db", "model-facts.db")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def rubbish(path: Path) -> None:
    path.write_bytes(b"no database\n" * 3000)


def no_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"SQLite format 3\0" + b"\xff" * 200)


def broken_inside(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        for page in range(1, size // 4096, 2):
            file.seek(page * 4096)
            file.write(os.urandom(4096))


def other_tables(path: Path) -> None:
    path.unlink()
    rows = sqlite3.connect(path)
    for table in ("frames", "files", "jobs", "shares", "hashes", "paces", "withheld", "contents"):
        rows.execute(f"CREATE TABLE {table} (something TEXT)")
    rows.close()


def newer(path: Path) -> None:
    rows = sqlite3.connect(path)
    rows.execute("PRAGMA user_version = 99")
    rows.close()


def folder(path: Path) -> None:
    path.unlink()
    (path / "inner").mkdir(parents=True)


def log_is_a_folder(path: Path) -> None:
    Path(f"{path}-wal").mkdir()


def link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


DAMAGE: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (empty, cut, rubbish, no_header, broken_inside, other_tables, newer, folder)
} | {each.__name__: each for each in (log_is_a_folder, link_to_nowhere)}


@pytest.fixture(scope="module")
def used_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which everything was used."""
    data_dir = tmp_path_factory.mktemp("whole") / "data"
    for number in range(200):
        (data_dir / "outputs" / f"{number % 7}").mkdir(parents=True, exist_ok=True)
        (data_dir / "outputs" / f"{number % 7}" / f"{number}-{'x' * 90}.txt").touch()
    with web_process(data_dir, "--filebrowser") as web:
        use(web)
        wait_until(lambda: search(web, "name:199") == 1)
    return data_dir


def send(web: WebProcess, method: str, path: str, body: object = None) -> dict[str, object]:
    request = urllib.request.Request(
        f"{web.url}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request) as answer:
        return dict(json.loads(answer.read() or b"{}"))


def use(web: WebProcess) -> None:
    """Let every database be written."""
    for number in range(40):
        path = f"/data/outputs/{number % 7}"
        send(web, "POST", "/api/files/shares", {"path": path, "expires_in": 3600.0})
    send(web, "POST", "/api/files/folder", {"path": "/data/outputs/new"})
    send(web, "POST", "/api/files/delete", {"paths": ["/data/outputs/new"]})


def search(web: WebProcess, q: str) -> object:
    return send(web, "GET", f"/api/files/search?q={q}")["total"]


@pytest.fixture
def damaged_data_dir(used_data_dir: Path, tmp_path: Path) -> Path:
    copied = Path(shutil.copytree(used_data_dir, tmp_path / "data"))
    for path in (copied / ".easel").glob("*.db"):
        rows = sqlite3.connect(path)
        rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows.close()
    return copied


ROUNDS = (
    (rubbish, folder, cut, broken_inside, newer, cut),
    (no_header, cut, other_tables, empty, folder, rubbish),
)
"""What happens to the databases before a start, in the order of their names above."""


@pytest.mark.parametrize("kinds", ROUNDS)
def test_the_service_starts_and_does_all_that_it_did(
    damaged_data_dir: Path, kinds: tuple[Callable[[Path], None], ...]
) -> None:
    state = damaged_data_dir / ".easel"
    for name, damage in zip(DATABASES, kinds, strict=True):
        if (state / name).exists():
            damage(state / name)
    with web_process(damaged_data_dir, "--filebrowser") as web:
        use(web)
        wait_until(lambda: search(web, "name:199") == 1)
        assert send(web, "GET", "/internal/pending-tasks")["size"] == 0


def hash_one(path: Path) -> None:
    with closing(HashCache(path)) as hashes:
        hashes.remember(path, Hashes(1, 1, "a" * 64, "b" * 64))


def keep_facts(path: Path) -> None:
    with closing(ContentsCache(path)) as cache:
        cache.remember_all({("a", ModelKind.LORA, (1, 1, 1, 1)): FileContents()}, {"a"})


def ask_jobs(path: Path) -> None:
    with closing(FileJobStore(path)) as jobs:
        assert jobs.jobs_of("ann") == []


def ask_shares(path: Path) -> None:
    with closing(ShareStore(path)) as shares:
        assert shares.shares_of("ann") == ()


def ask_pace(path: Path) -> None:
    with closing(PaceRecords(path.parent)) as book:
        book.add_failure("x")


USES: dict[str, Callable[[Path], object]] = {
    "queue.db": lambda path: SqliteStore(path).close(),
    "files.db": prepare_database,
    "file-jobs.db": ask_jobs,
    "shares.db": ask_shares,
    "hashes.db": hash_one,
    "model-facts.db": keep_facts,
    "pace.db": ask_pace,
    "withheld.db": lambda path: note_withheld(path.parent, "a", "b", "c"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("name", USES)
def test_every_database_is_made_anew(
    tmp_path: Path, name: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / name
    USES[name](path)
    DAMAGE[kind](path)
    USES[name](path)
    USES[name](path)
    rows = sqlite3.connect(path)
    assert rows.execute("PRAGMA quick_check").fetchone() == ("ok",)
    rows.close()
    asides = list(tmp_path.glob("*.damaged-*"))
    assert len(asides) == (0 if kind == "empty" else 1)
    assert len(caplog.messages) == 1
    assert all(aside.name in caplog.text for aside in asides)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[FileDatabase]:
    made = FileDatabase(
        tmp_path / "a.db", FileDatabaseSchema("CREATE TABLE IF NOT EXISTS t (n INTEGER, x TEXT);")
    )
    yield made
    made.close()


def test_damage_that_shows_in_use_is_mended_at_once(database: FileDatabase) -> None:
    def fill(rows: sqlite3.Connection) -> None:
        rows.executemany("INSERT INTO t VALUES (?, ?)", [(n, "x" * 500) for n in range(200)])

    database.call(fill)
    database.close()
    assert database.call(lambda rows: rows.execute("SELECT n FROM t LIMIT 1").fetchall()) == [(0,)]
    database.call(lambda rows: rows.execute("PRAGMA cache_size = 0"))
    broken_inside(database.path)
    found = database.call(lambda rows: rows.execute("SELECT sum(length(x)) FROM t").fetchone())
    assert found == (None,)
    assert len(list(database.path.parent.glob("a.db.damaged-*"))) == 1
    database.call(fill)


def test_a_file_of_before_is_taken_up_and_few_copies_are_kept(database: FileDatabase) -> None:
    rows = sqlite3.connect(database.path)
    rows.execute("CREATE TABLE t (n INTEGER, x TEXT)")
    rows.execute("INSERT INTO t VALUES (7, 'x')")
    rows.commit()
    rows.close()
    assert database.call(lambda rows: rows.execute("SELECT n FROM t").fetchall()) == [(7,)]
    for _ in range(6):
        database.close()
        rubbish(database.path)
        database.call(lambda rows: rows.execute("SELECT n FROM t").fetchall())
    assert len(list(database.path.parent.glob("a.db.damaged-*"))) == 3


DAMAGED_JSON = ("", "[1]", "7", "{", '{"a": 1}', "[" * 100_000, '{"a": {"b": []}}', '[{"path": 5}]')


@pytest.mark.parametrize("text", DAMAGED_JSON)
def test_notes_that_are_damaged_count_for_nothing(tmp_path: Path, text: str) -> None:
    for name in ("plugins-offered.json", "plugins-hung.json"):
        (tmp_path / name).write_text(text)
    PluginCatalogue(tmp_path).remember([("sampler", "Own", "mine")])
    assert PluginCatalogue(tmp_path).plugin_for("sampler", "own") == "mine"
    mark_hung(tmp_path, "slow", "a hook")
    assert "slow" in read_hung(tmp_path)
    SaveJournal.for_job(tmp_path, "job").reserve(b"a", lambda: (tmp_path / "a.png", "/a.png"))
    (note,) = (tmp_path / "saved").iterdir()
    note.write_text(text)
    again = SaveJournal.for_job(tmp_path, "job").reserve(
        b"a", lambda: (tmp_path / "b.png", "/b.png")
    )
    assert again.url == "/b.png"


def test_what_is_no_upload_is_swept_away(tmp_path: Path) -> None:
    boxes = tmp_path / ".uploads"
    for number in range(4):
        (boxes / (f"{number}" * 32)).mkdir(parents=True)
    (boxes / ("a" * 32)).write_text("a file in place of a folder")
    (boxes / ("b" * 32)).symlink_to(tmp_path)
    (boxes / ("0" * 32) / "info.json").mkdir()
    (boxes / ("1" * 32) / "info.json").symlink_to("nowhere")
    (boxes / ("2" * 32) / "info.json").write_text("rubbish")
    os.mkfifo(boxes / ("3" * 32) / "info.json")
    config = Config(tmp_path)
    uploads_of(config, lambda _: None).sweep(roots_of(config))
    assert list(boxes.iterdir()) == []
    assert tmp_path.is_dir()


SMALL = ("config.json", "styles.csv", ".easel/token", ".easel/ended_logins", ".easel/session.key")


@pytest.mark.parametrize("kind", ["folder", "rubbish", "link_to_nowhere"])
def test_small_state_that_is_damaged_does_not_stop_a_start(tmp_path: Path, kind: str) -> None:
    (tmp_path / ".easel").mkdir()
    for name in SMALL:
        (tmp_path / name).touch()
        DAMAGE[kind](tmp_path / name)
    services = build_services(Config(tmp_path, listen=True, host="0.0.0.0"))
    try:
        client = create_app(services).test_client()
        owner = {"Authorization": f"Bearer {services.credentials.token.reveal()}"}
        for path_ in ("/sdapi/v1/options", "/sdapi/v1/prompt-styles", "/readyz"):
            assert client.get(path_, headers=owner).status_code in (200, 422, 503)
        answer = client.post("/sdapi/v1/options", json={"jpeg_quality": 33}, headers=owner)
        assert answer.status_code == 200
    finally:
        services.close()
