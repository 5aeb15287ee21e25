"""A whole Easel whose worker alone pretends: ``python drained_easel.py serve FLAGS``.

The supervisor and the web process are the real ones; see ``fake_easel.py`` for the engine.
"""

import sys

from tests.webapp.processes.fake_easel import FakeEngine
from webapp.logs import start_log
from webapp.process_tree import die_with_supervisor
from webapp.processes.supervisor import run
from webapp.processes.web_server import main as web
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import parse, parse_with_secrets
from webapp.settings.data_dir import open_store
from webapp.worker.loop import Worker, WorkerSettings


def work(words: list[str]) -> int:
    """The real loop around the fake engine."""
    die_with_supervisor()
    config = parse_with_secrets(words)
    store = open_store(config)
    name = WorkerId.of_process("cpu")
    log = start_log(config.log_json).getChild("worker")
    settings = WorkerSettings(config.data_dir, time_log=config.time_log)
    worker = Worker(name, store, FakeEngine(), settings, log=log)
    worker.shutdown.listen_to_signals()
    return worker.run()


def main(command: str, words: list[str]) -> int:
    """Run a command; the supervisor repeats the flags to its children."""
    if command == "serve":
        return run(parse(words), words, (sys.executable, __file__))
    return web(words) if command == "web" else work(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
