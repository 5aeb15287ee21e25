"""Pace over real jobs: turned on, measured in the worker, told by the web process."""

from pathlib import Path

from tests.parity.service import copy_models
from tests.plugins.plugin_service import draw_small, start_service


def test_figures_of_real_jobs(goldens: Path, tmp_path: Path) -> None:
    registry = copy_models(goldens, tmp_path)
    with start_service(tmp_path, registry) as client:
        assert client.get("/plugins/pace/figures").status_code == 404  # off until turned on
        client.post("/api/plugins/pace", json={"enabled": True})
        client.post("/api/plugins/reload")
        assert client.get("/plugins/pace/figures").get_json() == {"paces": []}
        for changes in ({"sampler_name": "Heun"}, {"sampler_name": "Euler", "batch_size": 2}):
            assert draw_small(client, save_images=True, **changes).status_code == 200
        told = client.get("/plugins/pace/figures").get_json()
        kinds = [(each["sampler"], each["batch"], each["steps"]) for each in told["paces"]]
        assert kinds == [("Euler", 2, 4), ("Heun", 1, 4)]  # the newest first
        assert (told["jobs"], told["pictures"]) == (2, 3)
        files = list((tmp_path / "outputs").rglob("*.png"))
        assert told["bytes"] == sum(path.stat().st_size for path in files) > 0
        assert all(told["seconds"][part] > 0 for part in ("start", "sampling", "finish"))
        asked = "sampler_name=Heun&width=64&height=64&steps=40"
        reckoned = client.get(f"/plugins/pace/estimate?{asked}").get_json()
        assert reckoned["exact"]
        assert reckoned["seconds"] > 40 * reckoned["seconds_per_step"] > 0
        figures = client.get("/metrics").text
        assert (
            'easel_pace_steps_total{batch="1",model="",sampler="Heun",size="64x64"} 4.0' in figures
        )
        assert "easel_pace_jobs_total 2.0" in figures
        client.post("/api/plugins/pace", json={"enabled": False})
        client.post("/api/plugins/reload")
        assert client.get("/plugins/pace/figures").status_code == 404
