"""Wheels that an owner uploads: sound ones, and those whose metadata is torn."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.plugin_files import make_plugin

MANIFEST = 'name = "newcomer"\nversion = "1"\nlicence = "MIT"\nhooks = ["routes"]\n'
CODE = """
from plugins import hook
from plugins.api import Reply, Route
from .words import HELLO
@hook
def routes():
    return [Route("/x", lambda ask: Reply(HELLO))]
"""
INFO = "easel_newcomer-1.0.dist-info"
METADATA = f"{INFO}/METADATA"
POINTS = f"{INFO}/entry_points.txt"
SOUND = {
    "newcomer_pack/__init__.py": "",
    "newcomer_pack/easel-plugin.toml": MANIFEST,
    "newcomer_pack/web.py": CODE,
    "newcomer_pack/words.py": "HELLO = 'hello'",
    METADATA: "Metadata-Version: 2.1\nName: easel-newcomer\nVersion: 1.0\n"
    "Requires-Dist: numpy>=1\nRequires-Dist: easel>=0.1\n"
    "Requires-Dist: no-such-package; extra == 'test'\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\n",
    POINTS: "[console_scripts]\nnew = newcomer_pack:main\n[easel.plugins]\nNew = newcomer_pack\n",
}


def wheel(without: str = "", **changes: str) -> bytes:
    """The sound wheel with changes; names say "manifest", "metadata" or "points"."""
    names = {"manifest": "newcomer_pack/easel-plugin.toml", "metadata": METADATA, "points": POINTS}
    files = SOUND | {names[name]: text for name, text in changes.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            if not without or not name.startswith(without):
                archive.writestr(name, text)
    return buffer.getvalue()


def upload(client: Any, data: bytes) -> Any:
    """The answer to an upload."""
    return client.post("/api/plugins/install?name=easel_newcomer-1.0-py3-none-any.whl", data=data)


def standing(answer: Any, name: str = "newcomer") -> dict[str, Any]:
    """The last plugin of a name, of a listing."""
    found: dict[str, Any] = [e for e in answer.get_json()["plugins"] if e["name"] == name][-1]
    return found


def test_a_sound_wheel_is_the_package_of_its_entry_point(build: Any) -> None:
    house = build(working=False)
    client = house.client()
    told = upload(client, wheel())
    assert told.status_code == 200, told.text
    brought = house.data_dir / "extensions/newcomer"
    assert {path.name for path in brought.iterdir()} == {
        "__init__.py", "easel-plugin.toml", "web.py", "words.py",
    }  # fmt: skip
    assert standing(client.post("/api/plugins/reload"))["state"] == "on"
    assert client.get("/plugins/newcomer/x").get_json() == "hello"


def test_the_package_may_lie_in_another(build: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in SOUND.items():
            archive.writestr(name.replace("newcomer_pack/", "outer/inner/"), text.replace(
                "New = newcomer_pack", "New = outer.inner"))  # fmt: skip
    client = build(working=False).client()
    assert upload(client, buffer.getvalue()).status_code == 200
    assert standing(client.post("/api/plugins/reload"))["state"] == "on"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (wheel(without=INFO), "one folder NAME-VERSION.dist-info; this has 0"),
        (wheel(without=METADATA), "has no easel_newcomer-1.0.dist-info/METADATA"),
        (wheel(metadata="Version: 1\n"), "names no Name"),
        (wheel(metadata="Name: a\nVersion: one\n"), "Invalid version: 'one'"),
        (wheel(metadata="Name: a\nVersion: 1\nRequires-Dist: !!\n"), "cannot be meant"),
        (
            wheel(metadata="Name: a\nVersion: 1\nRequires-Dist: no-such-package>=2\n"),
            "Run: pip install 'no-such-package>=2'",
        ),
        (wheel(without=POINTS), "one entry point of the group easel.plugins"),
        (wheel(points="[console_scripts]\na = b\n"), "this has 0"),
        (wheel(points="[easel.plugins]\na = newcomer_pack\nb = newcomer_pack\n"), "this has 2"),
        (wheel(points="torn"), "entry_points.txt cannot be read"),
        (wheel(points="[easel.plugins]\nnew = lost_pack\n"), "'lost_pack', which is not in the"),
        (wheel(points="[easel.plugins]\nnew = newcomer_pack.web\n"), "has no easel-plugin.toml"),
        (wheel(points="[easel.plugins]\nnew = ../evil\n"), "is not in the wheel"),
        (wheel(manifest=MANIFEST + 'easel = "soon"\n'), "easel: 'soon' is no range of versions"),
        (wheel(manifest=MANIFEST.replace('"1"', '"one"')), "version: 'one' is no version"),
        (wheel(manifest=MANIFEST.replace("newcomer", "New comer")), "name"),
    ],
)
def test_a_wheel_with_torn_metadata_is_refused_with_the_reason(
    build: Any, data: bytes, told: str
) -> None:
    house = build(working=False)
    client = house.client()
    answer = upload(client, data)
    assert answer.status_code == 422, answer.text
    assert told in answer.get_json()["detail"]
    assert list((house.data_dir / "extensions").glob("*")) == []
    assert upload(client, wheel()).status_code == 200  # everything else works


def test_a_wheel_for_another_easel_is_kept_and_told_why(build: Any) -> None:
    client = build(working=False).client()
    assert upload(client, wheel(manifest=MANIFEST + 'easel = ">=99"\n')).status_code == 200
    told = standing(client.post("/api/plugins/reload"))
    assert told["state"] == "faulty"
    assert "made for Easel >=99" in told["fault"]


def test_a_name_that_is_taken_is_told(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a plugin that comes along, by one that pip installed, by one that was uploaded."""
    site = tmp_path / "site"
    make_plugin(tmp_path / "made", "newcomer", web=CODE.replace(".words", "newcomer_pip.words"),
                manifest=MANIFEST).rename(site.mkdir() or site / "newcomer_pip")  # fmt: skip
    (site / "newcomer_pip/words.py").write_text("HELLO = 'from pip'")
    (site / "newcomer_pip/__init__.py").touch()
    told = site / "newcomer_pip-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: newcomer-pip\nVersion: 1\n")
    (told / "entry_points.txt").write_text("[easel.plugins]\nnewcomer = newcomer_pip\n")
    monkeypatch.syspath_prepend(str(site))
    client = build(working=False).client()
    assert "taken by" in upload(client, wheel()).get_json()["fault"]
    both = client.post("/api/plugins/reload").get_json()["plugins"]
    states = [(e["origin"], e["state"]) for e in both if e["name"] == "newcomer"]
    assert states == [("package", "on"), ("folder", "faulty")]
    assert client.get("/plugins/newcomer/x").get_json() == "from pip"
    assert "already" in upload(client, wheel()).get_json()["detail"]
    shipped = upload(client, wheel(manifest=MANIFEST.replace("newcomer", "detailer")))
    assert "taken by" in shipped.get_json()["fault"]
    listed = client.post("/api/plugins/reload").get_json()["plugins"]
    assert [e["state"] for e in listed if e["name"] == "detailer"] == ["on", "faulty"]
    assert client.delete("/api/plugins/detailer").status_code == 200  # the folder's, not ours
    listed = client.post("/api/plugins/reload").get_json()["plugins"]
    assert [e["state"] for e in listed if e["name"] == "detailer"] == ["on"]
