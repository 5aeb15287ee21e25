"""Facts for reports of faults; and a picture that nobody here can describe."""

from typing import Any

from tests.webapp.conftest import Builder
from webapp.settings.options_table import OPTIONS


def test_sysinfo_tells_no_secret(build: Builder) -> None:
    house = build(token="s3cret-1", api_auth=(("ann", "s3cret-2"),), listen=True)
    client = house.client()
    shown, kept = client.get("/internal/sysinfo"), client.get("/internal/sysinfo-download")
    assert shown.get_json()["Config"]["jpeg_quality"] == 80
    assert shown.get_json()["Flags"]["listen"] is True
    assert any(line.startswith("flask==") for line in map(str.lower, shown.json["Packages"]))
    assert "s3cret" not in shown.text
    assert kept.headers["Content-Disposition"].startswith("attachment; filename=sysinfo-")
    assert kept.get_json().keys() == shown.get_json().keys()


def test_options_are_hinted_at(house: Any) -> None:
    hints = house.client().get("/internal/quicksettings-hint").get_json()
    assert [hint["name"] for hint in hints] == [option.name for option in OPTIONS]
    assert all(hint["label"] for hint in hints)


def test_the_start_is_told(house: Any) -> None:
    told = house.client().get("/internal/profile-startup").get_json()
    assert told["total"] > 0
    assert sum(told["records"].values()) == told["total"]
