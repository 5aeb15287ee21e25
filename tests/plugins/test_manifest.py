"""What a manifest may say, and what is told where it says something else."""

from pathlib import Path

import pytest

from plugins.api import Side
from plugins.errors import BadManifest
from plugins.manifest import parse_manifest
from plugins.plugin_status import State
from tests.plugins.plugin_files import load_host, make_plugin, status_of

GOOD = b'name = "hills"\nversion = "1.2"\nlicence = "MIT"\nhooks = ["routes"]\n'


def test_a_manifest_in_full() -> None:
    more = (
        b'easel = ">=0.1,<9"\npermissions = ["network"]\nrequires = ["numpy>=1"]\ntitle = "Hills"'
    )
    found = parse_manifest(GOOD + more)
    assert (found.name, found.display_name, found.version) == ("hills", "Hills", "1.2")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"name =", "no TOML"),
        (b"\xff", "no TOML"),
        (GOOD.replace(b"hills", b"../hills"), "name"),
        (GOOD.replace(b"1.2", b"one"), "no version"),
        (GOOD.replace(b"routes", b"roots"), "no hook 'roots'"),
        (GOOD.replace(b'licence = "MIT"\n', b""), "licence"),
        (GOOD + b'easel = "a lot"', "no range of versions"),
        (GOOD + b'requires = ["!!"]', "no requirement"),
        (GOOD + b'permissions = ["root"]', "no permission"),
        (GOOD + b'colour = "red"', "colour"),
        (GOOD + b"version = 1", "no TOML"),
        (GOOD.replace(b'"1.2"', b"1.2"), "version"),
    ],
)
def test_faults_are_named(text: bytes, told: str) -> None:
    with pytest.raises(BadManifest, match=told):
        parse_manifest(text)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('easel = ">=99"', "made for Easel >=99"),
        ('requires = ["no-such-package>=1"]', "pip install 'no-such-package>=1'"),
        ('requires = ["numpy>=99"]', "numpy>=99"),
    ],
)
def test_what_is_not_met_is_told(tmp_path: Path, more: str, told: str) -> None:
    make_plugin(tmp_path, "hills", web="x = 1", more=more)
    found = status_of(load_host(tmp_path, Side.WEB), "hills")
    assert found.state is State.FAULTY
    assert told in found.fault


def test_folders_that_are_no_plugins_are_told(tmp_path: Path) -> None:
    (tmp_path / "extensions" / "adetailer" / "scripts").mkdir(parents=True)
    (tmp_path / "extensions" / "empty").mkdir()
    make_plugin(tmp_path, "hollow")
    host = load_host(tmp_path, Side.WEB)
    assert "AUTOMATIC1111" in status_of(host, "adetailer").fault
    assert "easel-plugin.toml" in status_of(host, "empty").fault
    assert "neither" in status_of(host, "hollow").fault


def test_of_two_with_one_name_the_first_is_used(tmp_path: Path) -> None:
    make_plugin(tmp_path, "hills", web="x = 1")
    other = make_plugin(tmp_path, "other", web="x = 1", manifest=GOOD.decode())
    host = load_host(tmp_path, Side.WEB)
    faults = {each.folder.name: each.fault for each in host.standings}
    assert faults["hills"] == ""
    assert "taken" in faults[other.name]


def test_installed_packages_are_found_by_their_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip writes for a wheel whose metadata names packages; one of them is none."""
    site = tmp_path / "site"
    made = make_plugin(tmp_path / "made", "singing", web="@hook\ndef parts(): return []\n")
    manifest = GOOD.decode().replace("hills", "singing").replace("routes", "parts")
    (made / "easel-plugin.toml").write_text(manifest)
    site.mkdir()
    made.rename(site / "singing_pack")
    (site / "singing_pack/__init__.py").touch()
    told = site / "easel_singing-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: easel-singing\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[easel.plugins]\nsinging = singing_pack\nlost = no_such_pack\nbad = singing_pack.web\n"
    )
    monkeypatch.syspath_prepend(str(site))
    host = load_host(tmp_path / "data", Side.WEB)
    found = status_of(host, "singing")
    assert (found.state, found.fault, found.hooks) == (State.ON, "", ("parts",))
    assert found.origin == "package"
    assert "no_such_pack" in status_of(host, "lost").fault
    assert status_of(host, "bad").state is State.FAULTY
    assert host.ask_one("singing", "parts") == []


def test_torn_packages_are_told_and_nothing_of_them_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No METADATA, an outer package that throws, a requirement without a version."""
    site = tmp_path / "site"
    (site / "torn_outer/inner").mkdir(parents=True)
    (site / "torn_outer/__init__.py").write_text("raise RuntimeError('outer')")
    (site / "torn_outer/inner/easel-plugin.toml").write_text(
        GOOD.decode() + 'requires = ["easel-torn"]\n'
    )
    told = site / "easel_torn-1.0.dist-info"
    told.mkdir()
    points = "[easel.plugins]\nhills = torn_outer.inner\nbare = torn_outer\nodd = a:b\nnone = .\n"
    (told / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(site))
    host = load_host(tmp_path / "data", Side.WEB)
    assert "Not installed: easel-torn" in status_of(host, "hills").fault
    assert "easel-plugin.toml cannot be read" in status_of(host, "bare").fault
    for name in ("odd", "none"):
        assert "which is no package here" in status_of(host, name).fault
    (told / "METADATA").write_text("Name: easel-torn\nVersion: 1.0\n")
    host = load_host(tmp_path / "data", Side.WEB)
    assert status_of(host, "hills").state is State.FAULTY  # it has neither web.py nor worker.py
    (site / "torn_outer/inner/web.py").write_text("x = 1")
    host = load_host(tmp_path / "data", Side.WEB)
    assert "RuntimeError: outer" in status_of(host, "hills").fault
