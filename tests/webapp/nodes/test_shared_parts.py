"""What web processes have in common, over a real server: two of each part stand for two nodes."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from filebrowser.access.gate import Place, Root
from filebrowser.dav.placeholders import Placeholders
from filebrowser.errors import TooBusy
from filebrowser.uploads.upload_locks import UploadLock, no_interrupt
from filebrowser.watch.event_hub import FileEventHub
from filebrowser.watch.file_events import FileEvent, FileEventKind
from generator.request import Stop
from tests.queue_server import QueueServer, require_program, running_server
from tests.wait import TIMEOUT, Clock, result_of, wait_until
from webapp.access.login_throttle import MAX_FAILURES, WINDOW
from webapp.files.caller_limit import SharedCallerLimit
from webapp.files.file_services import receive_from, relay_to
from webapp.jobs.job_book import Delivery, DeliveryState, JobBook, JobRecord
from webapp.jobs.job_follower import JobFollower, JobParts
from webapp.nodes.feed import Feed, Message, Position
from webapp.nodes.file_messages import decode_event, encode_event
from webapp.nodes.logins import SharedRevokedLogins, shared_throttle
from webapp.nodes.tables import AnnouncedFiles, RedisTable
from webapp.nodes.tasks import SharedTasks
from webapp.nodes.turns import RedisTurns
from webapp.plugins.plugin_reload import PLUGINS_TOPIC, PluginReload
from webapp.queues.errors import QueueBusy
from webapp.queues.redis.notifier import RedisNotifier
from webapp.queues.redis.server import RedisServer
from webapp.settings.option_store import OptionStore
from webapp.settings.options_table import OPTIONS

LOG = logging.getLogger("easel")


@pytest.fixture(scope="module")
def program() -> Iterator[QueueServer]:
    with running_server(require_program()) as running:
        yield running


@pytest.fixture
def queue(program: QueueServer) -> QueueServer:
    """The server, empty."""
    program.flush()
    return program


@contextmanager
def two_servers(queue: QueueServer, clock: Clock | None = None) -> Iterator[list[RedisServer]]:
    """The connections of two nodes."""
    servers = [RedisServer(queue.address, clock) for _ in range(2)]
    yield servers
    for each in servers:
        each.close()


def test_wrong_guesses_of_all_nodes_count_together_and_expire(queue: QueueServer) -> None:
    clock = Clock()
    with two_servers(queue, clock) as servers:
        here, there = (shared_throttle(each, "login") for each in servers)
        shares = shared_throttle(servers[0], "share")
        for number in range(MAX_FAILURES):
            assert here.wait_seconds("ann", "1.2.3.4") == 0
            (here, there)[number % 2].record_failure("ann", "1.2.3.4")
            clock.skip(1)
        waits = [each.wait_seconds("ann", "1.2.3.4") for each in (here, there)]
        assert waits in ([50, 50], [51, 51])  # whole seconds, rounded up
        assert there.wait_seconds("ann", "5.6.7.8") == shares.wait_seconds("ann", "1.2.3.4") == 0
        clock.skip(WINDOW)
        assert there.wait_seconds("ann", "1.2.3.4") == 0
        here.record_success("ann", "1.2.3.4")
        assert "1.2.3.4 ann" in there.successes


def test_without_the_server_a_node_counts_its_own_guesses(queue: QueueServer) -> None:
    with two_servers(queue) as servers:
        here, there = (shared_throttle(each, "login") for each in servers)
        queue.kill()
        try:
            for _ in range(MAX_FAILURES):
                here.record_failure("ann", "1.2.3.4")
            assert here.wait_seconds("ann", "1.2.3.4") > 0
            assert there.wait_seconds("ann", "1.2.3.4") == 0
        finally:
            queue.start()


def test_an_ended_login_is_known_to_all_at_once_and_without_the_server_by_the_file(
    queue: QueueServer, tmp_path: Path
) -> None:
    path = tmp_path / "ended_logins"
    with two_servers(queue) as servers:
        here, there = (SharedRevokedLogins(path, each) for each in servers)
        here.revoke("a")
        path.rename(path.with_name("away"))  # as a network mount that shows old listings
        assert "a" in there
        assert "b" not in there
        path.with_name("away").rename(path)
        queue.kill()
        try:
            here.revoke("b")
            assert "b" in there
        finally:
            queue.start()
        assert "b" in SharedRevokedLogins(path, servers[1])


def test_tasks_of_one_node_are_known_to_the_other(queue: QueueServer) -> None:
    with two_servers(queue) as servers:
        here, there = (SharedTasks(each) for each in servers)
        here.record_finished("ann", "t")
        here.follow("ann", "t", "job")
        here.record_stop("job", Stop.SKIP)
        assert there.has_ended("ann", "t")
        assert there.has_ended(None, "t")
        assert not there.has_ended("bob", "t")
        assert there.is_followed("job")
        assert not there.is_followed("other")
        assert (there.stop_requested("job"), there.stop_requested("x")) == (Stop.SKIP, Stop.NO)
        queue.kill()
        try:
            here.record_finished("ann", "u")
            assert not there.has_ended("ann", "u")
        finally:
            queue.start()


@pytest.fixture
def turns(queue: QueueServer) -> Iterator[list[RedisTurns]]:
    """The turns of two nodes."""
    with two_servers(queue) as servers:
        both = [RedisTurns(each) for each in servers]
        yield both
        for each in both:
            each.close()


def test_a_turn_has_one_holder_who_is_asked_to_give_way(turns: list[RedisTurns]) -> None:
    here, there = turns
    asked: list[str] = []
    first = UploadLock("ann", lambda: asked.append("ann"), sending=True)
    second = UploadLock("ann", no_interrupt, sending=False)
    assert here.claim("x", first, False) is None
    holder = there.claim("x", second, False)
    assert holder is not None
    assert holder.sending
    assert there.is_held("x")
    first.touched_at -= 7.0
    wait_until(lambda: (told := there.claim("x", second, False)) and told.silent_seconds >= 7)
    assert asked == []
    there.claim("x", second, True)
    wait_until(lambda: asked)
    here.leave("x", first)
    assert there.claim("x", second, False) is None
    here.leave("x", first)  # it is another's
    assert there.is_held("x")


def test_a_turn_of_a_dead_node_ends_and_a_stalled_holder_is_told(queue: QueueServer) -> None:
    told: list[int] = []
    with two_servers(queue) as servers:
        dead = RedisTurns(servers[0], turn_seconds=0.2)
        dead._ended.set()  # no thread keeps what it takes
        lock = UploadLock("ann", lambda: told.append(1), sending=True)
        alive = RedisTurns(servers[1])
        assert dead.claim("x", lock, False) is None
        own = UploadLock("ann", no_interrupt, sending=True)
        wait_until(lambda: alive.claim("x", own, False) is None)
        dead.keep()
        assert told == [1]
        assert alive.is_held("x")
        alive.close()


def test_a_turn_for_a_block_and_places_of_a_caller_count_at_all_nodes(
    turns: list[RedisTurns],
) -> None:
    with ExitStack() as stack:
        assert stack.enter_context(turns[0].hold("w"))
        assert not stack.enter_context(turns[1].hold("w"))
        assert not stack.enter_context(turns[1].hold("w"))
    with turns[1].hold("w") as taken:
        assert taken
    here, there = (SharedCallerLimit(2, each, "archive") for each in turns)
    here.enter("ann")
    there.enter("ann")
    there.enter("bob")
    for limit in (here, there):
        with pytest.raises(TooBusy):
            limit.enter("ann")
    here.leave("ann")
    there.enter("ann")


@contextmanager
def two_feeds(queue: QueueServer) -> Iterator[list[Feed]]:
    """The feeds of two nodes; tests read them."""
    with two_servers(queue) as servers:
        notifiers = [RedisNotifier(each, LOG) for each in servers]
        yield [Feed(server, each) for server, each in zip(servers, notifiers, strict=True)]
        for each in notifiers:
            each.close()


def test_messages_come_to_all_in_one_order_and_gaps_are_told(queue: QueueServer) -> None:
    with two_feeds(queue) as feeds:
        heard: list[list[tuple[int, bytes]]] = [[], []]
        gaps: list[Position] = []
        for feed, into in zip(feeds, heard, strict=True):
            feed.handlers["t"] = lambda message, into=into: into.append(
                (message.number, message.data)
            )  # type: ignore[misc]
        feeds[1].on_gap.append(gaps.append)
        for feed in feeds:
            feed.read()
        assert [gap.number for gap in gaps] == [0]
        assert feeds[0].send("t", b"\xff1")
        assert feeds[1].send("t", b"2")
        assert feeds[1].send("unknown", b"3")
        for feed in feeds:
            feed.read()
        assert heard[0] == heard[1] == [(1, b"\xff1"), (2, b"2")]
        queue.flush()
        assert feeds[0].send("t", b"4")
        feeds[1].read()
        assert [gap.number for gap in gaps] == [0, 1]
        assert gaps[0].epoch != gaps[1].epoch
        queue.kill()
        try:
            assert not feeds[0].send("t", b"5")
        finally:
            queue.start()


def test_a_feed_thread_hears_at_once_and_outlives_a_handler_and_the_server(
    queue: QueueServer,
) -> None:
    with two_feeds(queue) as feeds:
        heard: list[bytes] = []

        def hear(message: Message) -> None:
            heard.append(message.data)
            raise ValueError("not handled")

        feeds[1].handlers["t"] = hear
        feeds[1].start()
        wait_until(lambda: feeds[1]._position)
        feeds[0].send("t", b"1")
        wait_until(lambda: heard == [b"1"])
        queue.kill()
        queue.start()
        wait_until(lambda: feeds[0].send("t", b"2"))
        wait_until(lambda: heard == [b"1", b"2"])
        feeds[1].close()
        feeds[1].join()


def test_hubs_number_events_alike_and_list_again_when_the_server_was_away(
    queue: QueueServer, tmp_path: Path
) -> None:
    root = Root("data", tmp_path)
    with two_feeds(queue) as feeds:
        followed: list[Any] = []
        hubs = [FileEventHub(relay=relay_to(feed, tmp_path)) for feed in feeds]
        for feed, hub in zip(feeds, hubs, strict=True):
            receive_from(feed, hub, lambda data: decode_event(data, tmp_path, [root]),
                         followed.append, lambda: None)  # fmt: skip
            feed.read()

        def tell(hub: FileEventHub, name: str) -> None:
            (tmp_path / name).mkdir()
            hub.publish(FileEvent(FileEventKind.CREATED, Place(root, (name,))))
            for feed in feeds:
                feed.read()

        tell(hubs[0], "a")
        tell(hubs[1], "b\udce4")
        for hub in hubs:
            hub.publish(FileEvent(FileEventKind.CREATED, Place(root, ("a",))))  # a watcher's echo
        assert len({hub.epoch for hub in hubs}) == 1
        for hub in hubs:
            found = hub.since(0, 0) or []
            assert [each.event.place.names for each in found] == [("a",), ("b\udce4",)]
            assert [each.seq for each in found] == [1, 2]
        assert len(followed) == 4
        shared = hubs[0].epoch
        queue.kill()
        try:
            (tmp_path / "c").mkdir()
            hubs[0].publish(FileEvent(FileEventKind.CREATED, Place(root, ("c",))))
        finally:
            queue.start()
        assert hubs[0].epoch != shared
        assert hubs[0].since(1, 0) is None
        assert hubs[0].since(2, 0)[0].event.place.names == ("c",)  # type: ignore[index]
        wait_until(lambda: feeds[0].send("nothing", b""))
        tell(hubs[0], "d")
        assert hubs[0].epoch == shared


def test_events_are_told_by_paths_of_the_data_directory(tmp_path: Path) -> None:
    here, there, other = tmp_path / "here", tmp_path / "there", tmp_path / "elsewhere"
    event = FileEvent(
        FileEventKind.MOVED,
        Place(Root("models", here / "models"), ("a", "b")),
        Place(Root("own", other), ("c",)),
    )
    roots = [Root("data", there), Root("own", other)]
    found = decode_event(encode_event(event, here), there, roots)
    assert found is not None
    assert found.place == Place(roots[0], ("models", "a", "b"))
    assert found.previous == Place(roots[1], ("c",))
    assert decode_event(encode_event(event, here), there, roots[1:]) is None


def test_a_table_gives_copies_of_what_any_node_has_put_there(
    queue: QueueServer, tmp_path: Path
) -> None:
    with two_servers(queue) as servers:
        here, there = (RedisTable(each, "dav_locks") for each in servers)
        here["a\udce4"] = {"owner": b"\xff<a/>", "expire": 1.5, "tokens": ["t"]}
        assert there["a\udce4"] == {"owner": b"\xff<a/>", "expire": 1.5, "tokens": ["t"]}
        there["a\udce4"]["expire"] = 2.0
        assert list(there.items()) == [("a\udce4", here["a\udce4"])]
        assert (here.get("b"), "b" in here, len(here), list(here)) == (None, False, 1, ["a\udce4"])
        del there["a\udce4"]
        del there["a\udce4"]
        assert list(here.values()) == []
        with pytest.raises(TypeError, match="cannot be kept"):
            here["c"] = object()


def test_names_announced_at_one_node_are_known_where_the_folder_is_mounted_elsewhere(
    queue: QueueServer, tmp_path: Path
) -> None:
    clock = Clock()
    with two_servers(queue) as servers:
        folders = tmp_path / "here", tmp_path / "there"
        here, there = (
            Placeholders(clock, AnnouncedFiles(RedisTable(server, "dav_names"), folder))
            for server, folder in zip(servers, folders, strict=True)
        )
        places = [Place(Root("data", each), ("models", "a.pt")) for each in folders]
        here.add(places[0], "ann")
        found = there.find(places[1])
        assert found is not None
        assert (found.owner, found.place.key) == ("ann", places[1].key)
        assert there.in_folder(Place(places[1].root, ("models",))) == [found]
        there.set_time(places[1], 7)
        assert here.find(places[0]).shown_time == 7  # type: ignore[union-attr]
        there.remove(Place(places[1].root, ("models",)))
        assert here.find(places[0]) is None
        here.add(places[0], "ann")
        clock.skip(3601)
        assert there.find(places[1]) is None


def test_a_webhook_is_posted_by_one_node(queue: QueueServer, tmp_path: Path) -> None:
    posted: list[str] = []
    over = threading.Event()

    class Poster:
        def attempt(self, delivery: Delivery) -> Delivery:
            posted.append(delivery.job)
            over.wait(TIMEOUT)
            return replace(delivery, attempts=1, state=DeliveryState.DELIVERED)

    with two_servers(queue) as servers, ExitStack() as stack:
        followers = []
        for server in servers:
            book = JobBook(tmp_path / "jobs.db", shared=True)
            turns = RedisTurns(server)
            parts = JobParts(book, None, None, None, Poster(), turns.hold)  # type: ignore[arg-type]
            followers.append(JobFollower(parts, LOG))
            for act in (book.close, turns.close, followers[-1].stop):
                stack.callback(act)
        job = JobRecord("a" * 32, "ann", "/x", 0.0, "", None, "http://x/", confirmed=True)
        book.add(job)
        book.end(replace(job, outcome="succeeded", ended_at=1.0), b"{}")
        for follower in followers:
            for delivery in follower.parts.book.list_due(1):
                follower._begin_post(delivery)
        wait_until(lambda: posted and not all(each._posting for each in followers))
        over.set()
        wait_until(lambda: not any(each._posting for each in followers))
        found = book.find_delivery(job.id)
        assert (found.state, posted) == ("delivered", [job.id])  # type: ignore[union-attr]


def test_changes_of_options_at_two_nodes_are_both_kept(
    turns: list[RedisTurns], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    stores = [OptionStore(path, None, partial(each.wait_for, "options")) for each in turns]
    names = [option.name for option in OPTIONS if option.default is False][:10]

    def turn_on(number: int) -> None:
        for name in names[number::2]:
            stores[number].update({name: True})

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(turn_on, number) for number in range(2)]:
            result_of(done)
    told = stores[0].get()
    assert [told[name] for name in names] == [True] * len(names)
    monkeypatch.setattr("webapp.nodes.turns.WAIT_SECONDS", 0.0)
    with turns[0].hold("options"), pytest.raises(QueueBusy, match="Another web process"):
        stores[1].update({names[0]: False})
    assert stores[0].get()[names[0]] is True


def test_plugins_are_loaded_anew_by_every_node(queue: QueueServer) -> None:
    loaded: list[str] = []

    @dataclass
    class Side:
        """Plugins and registry of one node."""

        name: str

        def reload(self) -> None:
            loaded.append(self.name)

        def model_folders(self) -> tuple[()]:
            return ()

        families = model_folders

        def set_plugin_folders(self, folders: object) -> None:
            """Nothing."""

        set_plugin_families = set_plugin_folders

    with two_feeds(queue) as feeds:
        reloads: list[Any] = []
        for name, feed in zip("ab", feeds, strict=True):
            side: Any = Side(name)
            reloads.append(PluginReload(side, side, feed))
            feed.handlers[PLUGINS_TOPIC] = reloads[-1].hear
            feed.read()
        reloads[0].reload()
        assert loaded == ["a"]
        for feed in feeds:
            feed.read()
        wait_until(lambda: loaded == ["a", "b"])
