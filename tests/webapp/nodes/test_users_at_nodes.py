"""What is a user's own is so at every web process: models, options, events, locks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.queue_server import require_program, running_server
from tests.wait import TIMEOUT, wait_until
from tests.webapp.accounts.conftest import create_schema
from tests.webapp.accounts.isolation_world import USERS, World, add_member
from tests.webapp.conftest import write_checkpoint, write_model
from tests.webapp.nodes.node_site import read_events
from tests.webapp.routes.job_service import Gate, JobService
from tests.webapp.web_process import web_process
from webapp.access.secret import Secret
from webapp.accounts.accounts import open_accounts

LOCK_BODY = (
    '<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>'
    "<locktype><write/></locktype></lockinfo>"
)

Nodes = tuple[World, World]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two web processes over one data directory and one queue, with the same users."""
    data_dir = tmp_path_factory.mktemp("trees") / "data"
    write_checkpoint(data_dir / "models/Stable-diffusion/sd.safetensors")
    (data_dir / ".easel").mkdir(mode=0o700)
    url = Secret(f"sqlite:///{data_dir}/.easel/accounts.db")
    create_schema(url)
    with ExitStack() as stack:
        queue = stack.enter_context(running_server(require_program()))
        accounts = open_accounts(url, data_dir / ".easel")
        stack.callback(accounts.close)
        flags = ("--accounts", "--disable-all-extensions", "--queue-url", queue.address)
        processes = [stack.enter_context(web_process(data_dir, *flags)) for _ in range(2)]
        bench: Any = None  # nobody draws
        tokens: dict[str, str] = {}
        first, second = (
            World(JobService(each, bench, Gate()), accounts, tokens) for each in processes
        )
        for name, role in USERS.items():
            add_member(first, name, role)
        yield first, second


def loras(world: World, who: str) -> list[str]:
    """Names of those that a user may load."""
    return [each["name"] for each in world.get(who, "/sdapi/v1/loras")]


def send(
    world: World, who: str, method: str, path: str, data: bytes = b"", **headers: str
) -> requests.Response:
    """A request whose body is no JSON."""
    head = {"Authorization": f"Bearer {world.tokens[who]}", **headers}
    url = world.service.process.url + path
    return requests.request(method, url, data=data, headers=head, timeout=TIMEOUT)


@contextmanager
def changes(world: World, who: str) -> Iterator[Iterator[Any]]:
    """Changes of files that a user is told of, from now on."""
    url = f"{world.service.process.url}/api/files/events"
    head = {"Authorization": f"Bearer {world.tokens[who]}"}
    with requests.get(url, headers=head, stream=True, timeout=TIMEOUT) as stream:
        events = read_events(stream)
        assert next(events)[0] == "ready"
        yield (data for name, data, _ in events if name == "change")


def test_a_lora_that_one_node_takes_is_its_bringers_at_all(nodes: Nodes, tmp_path: Path) -> None:
    first, _ = nodes
    assert [loras(node, who) for node in nodes for who in ("ann", "bob")] == [[]] * 4
    data = write_model(tmp_path / "brush.safetensors", {"ss_output_name": "brush"}).read_bytes()
    assert first.upload("ann", "models/Lora", "brush.safetensors", data).status == 201
    wait_until(lambda: all(loras(node, "ann") == ["brush"] for node in nodes))
    assert [loras(node, who) for node in nodes for who in ("bob", "root")] == [[]] * 4


def test_a_model_of_all_that_one_node_takes_comes_to_users_at_the_other(
    nodes: Nodes, tmp_path: Path
) -> None:
    first, second = nodes

    def names(who: str) -> list[str]:
        return [each["model_name"] for each in second.get(who, "/sdapi/v1/sd-models")]

    assert names("bob") == ["sd"]
    data = write_checkpoint(tmp_path / "new.safetensors", {"v": "2"}).read_bytes()
    sent = first.upload("root", "models/Stable-diffusion", "new.safetensors", data)
    assert sent.status == 201, sent.body
    wait_until(lambda: "new" in names("bob"))


def test_events_of_one_node_reach_at_the_other_who_may_see_them(nodes: Nodes) -> None:
    first, second = nodes
    told: dict[str, Any] = {}
    with ExitStack() as stack:
        streams = {who: stack.enter_context(changes(second, who)) for who in ("ann", "bob", "root")}
        for who in ("ann", "bob"):
            body = {"path": f"/data/outputs/of-{who}"}
            assert first.ask(who, "POST", "/api/files/folder", body).status in (200, 201)
        for who, stream in streams.items():
            told[who] = next(stream)["path"]
    assert told == {
        "ann": "/data/outputs/of-ann",
        "bob": "/data/outputs/of-bob",  # the first that bob hears of, though ann's came before
        "root": "/data/users/ann/outputs/of-ann",
    }


def test_options_and_styles_of_a_user_hold_at_every_node(nodes: Nodes) -> None:
    first, second = nodes
    changed = {"samples_filename_pattern": "anns"}
    assert first.ask("ann", "POST", "/sdapi/v1/options", changed).status == 200
    assert second.ask("ann", "POST", "/sdapi/v1/options", {"jpeg_quality": 61}).status == 200
    assert first.ask("ann", "PUT", "/api/styles", {"name": "anns", "prompt": "x"}).status == 200
    for node in nodes:
        for who, pattern, quality, styles in (("ann", "anns", 61, ["anns"]), ("bob", "", 80, [])):
            options = node.get(who, "/sdapi/v1/options")
            found = options["samples_filename_pattern"], options["jpeg_quality"]
            assert found == (pattern, quality), who
            assert [each["name"] for each in node.get(who, "/sdapi/v1/prompt-styles")] == styles


def test_webdav_locks_and_announced_names_are_their_users_at_every_node(
    nodes: Nodes,
) -> None:
    first, second = nodes
    place = "/dav/data/outputs/same.txt"
    locked = send(first, "ann", "LOCK", place, LOCK_BODY.encode(), Timeout="Second-60")
    assert locked.status_code in (200, 201), locked.text
    assert send(second, "ann", "PUT", place, b"x").status_code == 423
    assert send(second, "bob", "PUT", place, b"x").status_code == 201
    announced = "/dav/data/models/Lora/later.safetensors"
    assert send(first, "ann", "PUT", announced).status_code == 201
    seen = {who: send(second, who, "PROPFIND", announced, Depth="0") for who in ("ann", "bob")}
    assert {who: answer.status_code for who, answer in seen.items()} == {"ann": 207, "bob": 404}
