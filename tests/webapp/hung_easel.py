"""As ``drained_easel.py``, its worker with plugins and little patience for those that hang."""

import os
import sys
from types import MappingProxyType

from plugins import watchdog
from plugins.nouns import Side
from tests.webapp.fake_easel import FakeEngine
from webapp.config import parse
from webapp.family import die_with_supervisor, worker_name
from webapp.logs import start_log
from webapp.places import open_store
from webapp.plugging import choice_of, host_of
from webapp.settings import options_of
from webapp.supervisor import run
from webapp.web import main as web
from webapp.workloop import Worker

SOON = MappingProxyType({"FACTOR": 0.0, "LEAST": 0.5, "AGAIN": 0.2, "DEAF": 0.5})  # seconds


def work(words: list[str]) -> int:
    """The real loop and the real plugins around the fake engine."""
    die_with_supervisor()
    config = parse(words)
    for name, seconds in SOON.items():
        setattr(watchdog, name, seconds)
    store, options = open_store(config), options_of(config)
    log = start_log(config.log_json).getChild("worker")
    host = host_of(Side.WORKER, config, options, log, may_leave=True)
    worker = Worker(
        worker_name("cpu", os.getpid()),
        store,
        store,
        FakeEngine(),
        config.data_dir,
        log=log,
        plugins=host,
        choice=lambda: choice_of(config, options.get(), options.enabled_plugins()),
    )
    worker.listen_to_signals()
    return worker.run()


def main(command: str, words: list[str]) -> int:
    """Run a command; the supervisor repeats the flags to its children."""
    if command == "serve":
        return run(parse(words), words, (sys.executable, __file__))
    return web(words) if command == "web" else work(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
