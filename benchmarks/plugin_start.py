"""Start time of the web process with twenty plugins.

Each start is a process of its own, as in the service, and takes the time of the loading alone: the
modules that it needs anyway are imported before. The plugins have been seen once, so that none is
imported in a child first; that is done once for each change of a plugin.
"""

import logging
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAME = "benchmarks.plugin_start"  # of this module, for the child
PLUGINS = 20
ROUNDS = 5
MANIFEST = """name = "{name}"
version = "1.0"
licence = "MIT"
hooks = ["routes", "parts", "settings"]
"""
WEB = '''"""Routes, a tab and a setting."""
from plugins import hook
from plugins.api import Part, Reply, Route, Setting, Slot

@hook
def routes():
    return [Route("/hello", lambda ask: Reply("hello"))]

@hook
def parts():
    return [Part(Slot.TAB, "A tab", module="tab.js")]

@hook
def settings():
    return [Setting("loud", False)]
'''


def measure_start(rounds: int = ROUNDS) -> float:
    """Seconds that the plugins add to a start: the difference of two medians."""
    with tempfile.TemporaryDirectory(prefix="easel-plugins-") as name:
        bare, full = Path(name) / "bare", Path(name) / "full"
        bare.mkdir()
        for number in range(PLUGINS):
            write_plugin(full / "extensions" / f"plugin-{number}")
        time_start(full)  # seen from now on
        took = {folder: [time_start(folder) for _ in range(rounds)] for folder in (bare, full)}
    return statistics.median(took[full]) - statistics.median(took[bare])


def write_plugin(folder: Path) -> None:
    """One plugin."""
    folder.mkdir(parents=True)
    (folder / "easel-plugin.toml").write_text(MANIFEST.format(name=folder.name))
    (folder / "web.py").write_text(WEB)


def time_start(data_dir: Path) -> float:
    """Seconds of one loading, in a fresh process."""
    command = [sys.executable, "-m", NAME, str(data_dir)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def time_load(data_dir: Path) -> float:
    """Seconds of one loading, in this process. Raises RuntimeError where a plugin is not on."""
    from webapp.plugins.web_plugins import WebPlugins
    from webapp.settings.config import Config
    from webapp.settings.option_store import OptionStore

    config = Config(data_dir)
    begun = time.perf_counter()
    desk = WebPlugins(config, OptionStore(data_dir / "config.json"), logging.getLogger())
    seconds = time.perf_counter() - begun
    faults = [each.fault for each in desk.statuses() if each.fault]
    if faults:
        raise RuntimeError(faults[0])
    return seconds


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(time_load(Path(sys.argv[1])))
    else:
        print(
            f"{PLUGINS} plugins add {measure_start() * 1000:.0f} ms to the start of the web process"
        )
