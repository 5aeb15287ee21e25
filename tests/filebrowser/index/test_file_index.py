"""The index of files: true to the disk, also after kill -9; told to those who may see it."""

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from filebrowser.access.file_access import FileAccess
from filebrowser.access.gate import Root, parse_path
from filebrowser.errors import BadSearch, NotHere
from filebrowser.index import reconcile
from filebrowser.index import rows as books
from filebrowser.index.file_index import MAX_SINGLE_NAMES, FileIndex
from filebrowser.index.query import parse_query
from filebrowser.index.reconcile import transaction
from filebrowser.index.rows import ScannedFile, ScannedPicture
from filebrowser.index.schema import connect, prepare_database
from filebrowser.index.search import IndexSearch
from filebrowser.index.search_query import SearchQuery
from filebrowser.listing.file_kinds import FileKind
from filebrowser.listing.sort_order import Sort
from filebrowser.pictures.picture_facts import PictureFacts
from tests.wait import TIMEOUT

Opener = Callable[..., FileIndex]
HIDDEN = frozenset({".easel", "secret", "inner/keys*"})


def tell(image: Image.Image) -> PictureFacts:
    text = str(image.info.get("parameters", ""))
    prompt, _, model = text.partition("|")
    return PictureFacts(text, prompt, model=model) if text else PictureFacts()


def draw(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngInfo()
    info.add_text("parameters", text)
    Image.new("RGB", (6, 4)).save(path, pnginfo=info)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    path = tmp_path / "files"
    path.mkdir()
    return Root("data", path, hidden=HIDDEN)


@pytest.fixture
def open_file_index(tmp_path: Path, root: Root) -> Iterator[Opener]:
    """Opens the index of some roots and waits until it knows them."""
    running: list[FileIndex] = []

    def open_index(roots: Sequence[Root] = (root,)) -> FileIndex:
        while running:
            running.pop().stop()
        index = FileIndex(tmp_path / "index.db", roots, tell, without_pauses=True)
        running.append(index)
        index.start()
        assert index.wait_until_idle(TIMEOUT)
        return index

    yield open_index
    while running:
        running.pop().stop()


def find_paths(index: FileIndex, root: Root, q: str = "", **more: object) -> list[str]:
    visit = FileAccess("ann", (root,))
    hits = index.find(visit, SearchQuery(parse_query(q), **more)).hits  # type: ignore[arg-type]
    return sorted(hit.path for hit in hits)


def test_a_later_start_sees_what_changed_meanwhile(open_file_index: Opener, root: Root) -> None:
    draw(root.path / "a" / "stays.png", "one")
    draw(root.path / "a" / "changes.png", "two")
    draw(root.path / "b" / "goes.png", "three")
    index = open_file_index()
    assert find_paths(index, root, "kind:image") == [
        "/data/a/changes.png", "/data/a/stays.png", "/data/b/goes.png",
    ]  # fmt: skip
    index.stop()
    draw(root.path / "a" / "changes.png", "four fields")
    os.rename(root.path / "b", root.path / "c")
    draw(root.path / "new.png", "five")
    index = open_file_index()
    assert find_paths(index, root, "two") == []
    assert find_paths(index, root, "four") == ["/data/a/changes.png"]
    assert find_paths(index, root, "three") == ["/data/c/goes.png"]
    assert find_paths(index, root, "five") == ["/data/new.png"]
    assert find_paths(index, root, "one") == ["/data/a/stays.png"]
    assert index.find(FileAccess("ann", (root,)), SearchQuery(())).total == 6  # two of them folders


def test_what_vanished_unseen_is_not_shown_and_forgotten(
    open_file_index: Opener, root: Root
) -> None:
    draw(root.path / "a.png", "one")
    index = open_file_index()
    (root.path / "a.png").unlink()
    visit, question = FileAccess("ann", (root,)), SearchQuery(parse_query("one"))
    assert index.find(visit, question).hits == ()
    assert index.wait_until_idle(TIMEOUT)
    assert index.find(visit, question).total == 0


def test_a_folder_that_became_a_file_takes_its_files_along(
    open_file_index: Opener, root: Root
) -> None:
    draw(root.path / "a" / "b" / "c.png", "one")
    index = open_file_index()
    os.rename(root.path / "a", root.path.parent / "away")
    (root.path / "a").write_text("x")
    index.schedule([parse_path("data/a", (root,))])
    assert index.wait_until_idle(TIMEOUT)
    assert find_paths(index, root) == ["/data/a"]


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000])
def test_a_broken_index_is_made_anew(
    open_file_index: Opener, root: Root, tmp_path: Path, content: bytes
) -> None:
    draw(root.path / "a.png", "one")
    open_file_index().stop()
    for path in tmp_path.glob("index.db*"):
        path.unlink()
    (tmp_path / "index.db").write_bytes(content)
    assert find_paths(open_file_index(), root, "one") == ["/data/a.png"]


CHILD = """
import sys
from pathlib import Path
from filebrowser.access.gate import Root
from filebrowser.index.file_index import FileIndex
from tests_tell import tell
index = FileIndex(Path(sys.argv[1]), [Root("data", Path(sys.argv[2]))], tell, without_pauses=True)
index.start()
print("begun", flush=True)
index.wait_until_idle(60)
print("done", flush=True)
index.wait_until_idle(0) and input()
"""


def test_kill_9_at_any_moment_loses_nothing(
    tmp_path: Path, root: Root, open_file_index: Opener
) -> None:
    for number in range(300):
        draw(
            root.path / f"d{number % 7}" / f"{number}.png", f"prompt number{number}x|m{number % 3}"
        )
    (tmp_path / "tests_tell.py").write_text(
        "from filebrowser.pictures.picture_facts import PictureFacts\n"
        "def tell(image):\n"
        "    prompt, _, model = str(image.info.get('parameters', '')).partition('|')\n"
        "    return PictureFacts('x', prompt, model=model)\n"
    )
    paths = {"PYTHONPATH": f"{Path(__file__).parents[3]}:{tmp_path}"}
    for pause in (0.0, 0.02, 0.1):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "index.db"), str(root.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | paths,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    (root.path / "d0" / "0.png").unlink()
    index = open_file_index()
    assert (
        index.find(FileAccess("ann", (root,)), SearchQuery(parse_query("kind:image"))).total == 299
    )
    assert index.find(FileAccess("ann", (root,)), SearchQuery(parse_query("model:m1"))).total == 100
    for number in (1, 150, 299):
        assert find_paths(index, root, f"number{number}x") == [f"/data/d{number % 7}/{number}.png"]


def test_hidden_things_links_and_special_files_are_not_indexed(
    open_file_index: Opener, root: Root, tmp_path: Path
) -> None:
    for name in ("secret/a.png", ".dotted/b.png", "inner/keys1/c.png", "inner/shown.png", ".d.png"):
        draw(root.path / name, "one")
    draw(tmp_path / "outside.png", "one")
    (root.path / "link.png").symlink_to(tmp_path / "outside.png")
    (root.path / "around").symlink_to(tmp_path)
    os.mkfifo(root.path / "pipe.png")
    index = open_file_index()
    index.schedule_paths([root.path / "secret" / "a.png", root.path / "inner/keys1/c.png"])
    assert index.wait_until_idle(TIMEOUT)
    assert find_paths(index, root) == ["/data/inner", "/data/inner/shown.png"]
    everything = FileAccess("ann", (Root("data", root.path),))
    assert index.find(everything, SearchQuery(())).total == 2


def test_a_visit_sees_its_own_trees_alone(
    open_file_index: Opener, tmp_path: Path, root: Root
) -> None:
    other = Root("other", tmp_path / "others")
    draw(root.path / "users" / "ann" / "a.png", "one")
    draw(root.path / "users" / "anne" / "b.png", "one")
    draw(root.path / "users" / "bob" / "deep" / "c.png", "one")
    draw(other.path / "d.png", "one")
    index = open_file_index((root, other))
    one = SearchQuery(parse_query("one"))
    ann = FileAccess("ann", (Root("home", root.path / "users" / "ann"),))
    assert [hit.path for hit in index.find(ann, one).hits] == ["/home/a.png"]
    bob = FileAccess("bob", (Root("home", root.path / "users" / "bob"), other))
    assert {hit.path for hit in index.find(bob, one).hits} == {"/home/deep/c.png", "/other/d.png"}
    assert index.find(bob, one).total == 2
    assert index.find(bob, SearchQuery(())).total == 3
    stranger = FileAccess("eve", (Root("home", tmp_path / "files2"),))
    assert index.find(stranger, SearchQuery(())).total == 0
    assert index.find(FileAccess("nobody", ()), one).total == 0


def test_a_visit_from_which_more_is_hidden_sees_less(open_file_index: Opener, root: Root) -> None:
    draw(root.path / "a" / "shown.png", "one")
    draw(root.path / "a" / "private.png", "one")
    index = open_file_index()
    narrow = Root("data", root.path, hidden=HIDDEN | {"a/private*"})
    page = index.find(FileAccess("ann", (narrow,)), SearchQuery(parse_query("one")))
    assert (page.total, [hit.path for hit in page.hits]) == (1, ["/data/a/shown.png"])


def test_a_tree_that_hides_more_from_now_on_is_judged_anew(
    open_file_index: Opener, root: Root
) -> None:
    draw(root.path / "a.png", "one")
    open_file_index()
    narrow = Root("data", root.path, hidden=HIDDEN | {"a.png"})
    index = open_file_index((narrow,))
    assert index.find(FileAccess("ann", (root,)), SearchQuery(())).total == 0


def test_below_a_folder_means_not_beside_it(open_file_index: Opener, root: Root) -> None:
    for name in ("a/x.png", "a/b/x.png", "ab/x.png", "a-b/x.png", "x.png"):
        draw(root.path / name, "one")
    index = open_file_index()
    below = parse_path("data/a", (root,))
    assert find_paths(index, root, "one", below=below) == ["/data/a/b/x.png", "/data/a/x.png"]
    with pytest.raises(NotHere):
        parse_path("data/secret", (root,))


def test_damaged_pictures_have_names_and_tell_nothing(open_file_index: Opener, root: Root) -> None:
    (root.path / "empty.png").write_bytes(b"")
    (root.path / "noise.png").write_bytes(os.urandom(5000))
    (root.path / "wide.gif").write_bytes(b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0))
    index = open_file_index()
    assert find_paths(index, root, "kind:image") == [
        "/data/empty.png", "/data/noise.png", "/data/wide.gif",
    ]  # fmt: skip


HOSTILE = (
    *(
        '"',
        "%",
        "_",
        "\\",
        "name:%",
        "path:_",
        'model:"',
        "NEAR(a b)",
        "a OR b",
        "{name} : x",
        "^x",
    ),
    *("' OR 1=1 --", "-", "--", "* *", "\u202e", "\ud800", "NOT x", "x AND", "seed:<0", "size:>1t"),
)


def test_no_question_breaks_out(open_file_index: Opener, root: Root) -> None:
    draw(root.path / "a.png", "one")
    index = open_file_index()
    for q in HOSTILE:
        assert index.find(FileAccess("ann", (root,)), SearchQuery(parse_query(q))).total <= 1, q
    assert find_paths(index, root, "name:%") == find_paths(index, root, "a OR b") == []
    with pytest.raises(BadSearch):
        parse_query("kind:image) OR (1")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[IndexSearch, Root]:
    """An index of 20,000 pictures that tell as much as real ones, written without the disk's."""
    folder = tmp_path_factory.mktemp("many")
    root, path = Root("data", folder), folder / "index.db"
    prepare_database(path)
    rows = connect(path)
    words = " ".join(f"word{number}" for number in range(20))
    with transaction(rows):
        books.sync_roots(rows, {str(root.path): root.hidden})
        for day in range(20):
            place = books.ensure_folder(rows, 1, f"outputs/day{day}")
            seen = [
                ScannedFile(
                    f"{n:05}-{n * 7919}.png",
                    FileKind.IMAGE,
                    400_000 + n,
                    (day * 1000 + n) * 10**9,
                    n,
                )
                for n in range(1000)
            ]
            books.insert_files(rows, place, seen, {})
        ids = [row[0] for row in rows.execute("SELECT id FROM files").fetchall()]
        for number in ids:
            told = PictureFacts(
                "x", f"masterpiece, {words} rare{number % 500}x", "hands", f"m{number % 4}"
            )
            books.save_picture_facts(rows, number, ScannedPicture(told, 512, 512))
    rows.close()
    return IndexSearch(path), root


@pytest.mark.parametrize("q", ["masterpiece", "wo", "rare7x", "model:m1", "negative:hands", "-x"])
def test_20_000_pictures_are_searched_in_a_moment(many: tuple[IndexSearch, Root], q: str) -> None:
    finder, root = many
    visit, question = FileAccess("ann", (root,)), SearchQuery(parse_query(q), sort=Sort.MODIFIED)
    times = []
    for _ in range(3):
        begun = time.thread_time()
        page = finder.find(visit, question)
        times.append(time.thread_time() - begun)
    assert page.total + len(page.missing) in (20_000, 5_000, 40)
    assert min(times) < 0.1  # of the processor; 100,000 may take 0.2 s


def test_a_folder_seen_as_a_file_from_above_takes_its_files_along(
    open_file_index: Opener, root: Root
) -> None:
    draw(root.path / "a" / "b" / "c.png", "one")
    index = open_file_index()
    os.rename(root.path / "a", root.path.parent / "away")
    (root.path / "a").write_text("x")
    index.schedule_paths([root.path / "a"])
    assert index.wait_until_idle(TIMEOUT)
    assert index.find(FileAccess("ann", (root,)), SearchQuery(())).total == 1


def test_a_tree_that_is_away_is_remembered(open_file_index: Opener, root: Root) -> None:
    draw(root.path / "a.png", "one")
    open_file_index()
    os.rename(root.path, root.path.with_name("unplugged"))
    index = open_file_index()
    assert find_paths(index, root, "one") == []
    os.rename(root.path.with_name("unplugged"), root.path)
    assert find_paths(index, root, "one") == ["/data/a.png"]


def test_one_changed_file_is_looked_at_alone(
    open_file_index: Opener, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = root.path / "many"
    for number in range(5):
        draw(many / f"{number}.png", "old")
    (many / "inner").mkdir()
    index = open_file_index()
    monkeypatch.setattr(reconcile.os, "scandir", None)  # nobody may list the folder
    for name in ("5.png", "1.png", ".hidden.png"):
        draw(many / name, "new")
    os.utime(many / "1.png", (5, 5))
    (many / "2.png").unlink()
    (many / "link.png").symlink_to("1.png")
    index.schedule_paths([*sorted(many.iterdir()), many / "2.png"])
    assert index.wait_until_idle(TIMEOUT)
    assert find_paths(index, root, "new") == ["/data/many/1.png", "/data/many/5.png"]
    assert find_paths(index, root, "old") == [f"/data/many/{n}.png" for n in (0, 3, 4)]


def test_a_name_that_stands_for_a_folder_now_brings_what_is_below(
    open_file_index: Opener, root: Root
) -> None:
    draw(root.path / "a" / "b.png", "one")
    index = open_file_index()
    (root.path / "a" / "b.png").unlink()
    draw(root.path / "a" / "b.png" / "c" / "d.png", "two")
    index.schedule_paths([root.path / "a" / "b.png"])
    assert index.wait_until_idle(TIMEOUT)
    assert find_paths(index, root, "two") == ["/data/a/b.png/c/d.png"]
    assert find_paths(index, root, "one") == []


def test_many_changes_in_one_folder_and_one_that_was_never_seen(
    open_file_index: Opener, root: Root
) -> None:
    index = open_file_index()
    for number in range(MAX_SINGLE_NAMES + 5):
        (root.path / f"{number}.txt").touch()
    draw(root.path / "fresh" / "a.png", "one")
    draw(root.path / "fresh" / "b.png", "one")
    index.schedule_paths([root.path / f"{number}.txt" for number in range(MAX_SINGLE_NAMES + 2)])
    index.schedule_paths([root.path / "fresh" / "a.png"])
    assert index.wait_until_idle(TIMEOUT)
    assert len(find_paths(index, root, "kind:text", limit=500)) == MAX_SINGLE_NAMES + 5
    assert find_paths(index, root, "one") == ["/data/fresh/a.png", "/data/fresh/b.png"]


def test_numbers_in_names_are_in_order_whenever_they_came(
    open_file_index: Opener, root: Root
) -> None:
    (root.path / "00010.txt").touch()
    index = open_file_index()
    for name in ("2.txt", "300.txt"):
        (root.path / name).touch()
        index.schedule_paths([root.path / name])
        assert index.wait_until_idle(TIMEOUT)
    question = SearchQuery((), sort=Sort.NAME, descending=False)
    hits = index.find(FileAccess("ann", (root,)), question).hits
    assert [hit.path for hit in hits] == ["/data/2.txt", "/data/00010.txt", "/data/300.txt"]


def test_signs_alone_find_what_holds_them_or_nothing(open_file_index: Opener, root: Root) -> None:
    signs = dict.fromkeys("🐈%_*?+#~(\"'!@é,☃")
    for number, sign in enumerate(signs):
        (root.path / f"n{number} {sign} x.txt").write_text("x")
    (root.path / "plain.txt").write_text("x")
    draw(root.path / "drawn.png", "a ☂ umbrella, with ❤️ and 100 %")
    index = open_file_index()
    for number, sign in enumerate(signs):
        named = [f"/data/n{number} {sign} x.txt", *(["/data/drawn.png"] if sign in "%," else [])]
        assert find_paths(index, root, sign) == sorted(named), sign
    for q in ("☂", "❤", "❤️", "prompt:☂", "umbrella , % a", "umbrella ☂"):
        assert find_paths(index, root, q) == ["/data/drawn.png"], q
    for q in ("☄", "🐈🐈", "🐈 ☃", "negative:☂", "umbrella ☄", '"☄"', "%%", "prompt:☃"):
        assert find_paths(index, root, q) == [], q
    assert "/data/plain.txt" in find_paths(index, root, "-🐈")
    assert find_paths(index, root, "-🐈 n0") == []
    assert len(find_paths(index, root, "")) == len(signs) + 2
