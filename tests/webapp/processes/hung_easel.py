"""As ``drained_easel.py``, its worker with plugins and little patience for those that hang."""

import sys
from types import MappingProxyType

from plugins import call_timeouts
from plugins.api import Side
from tests.webapp.processes.fake_easel import FakeEngine
from webapp.logs import start_log
from webapp.plugins.plugin_factory import create_host, read_choice
from webapp.process_tree import die_with_supervisor
from webapp.processes.supervisor import run
from webapp.processes.web_server import main as web
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import parse
from webapp.settings.data_dir import open_store
from webapp.settings.option_store import options_of
from webapp.worker.loop import Worker, WorkerPlugins, WorkerSettings

SHORT_TIMES = MappingProxyType(
    {"BUDGET_FACTOR": 0.0, "MIN_SECONDS": 0.5, "RETHROW_SECONDS": 0.2, "LEAVE_SECONDS": 0.5}
)  # seconds


def work(words: list[str]) -> int:
    """The real loop and the real plugins around the fake engine."""
    die_with_supervisor()
    config = parse(words)
    for name, seconds in SHORT_TIMES.items():
        setattr(call_timeouts, name, seconds)
    store, options = open_store(config), options_of(config)
    log = start_log(config.log_json).getChild("worker")
    host = create_host(Side.WORKER, config, options, log, may_leave=True)
    worker = Worker(
        WorkerId.of_process("cpu"),
        store,
        FakeEngine(),
        WorkerSettings(config.data_dir),
        WorkerPlugins(host, lambda: read_choice(config, options.get(), options.enabled_plugins())),
        log=log,
    )
    worker.shutdown.listen_to_signals()
    return worker.run()


def main(command: str, words: list[str]) -> int:
    """Run a command; the supervisor repeats the flags to its children."""
    if command == "serve":
        return run(parse(words), words, (sys.executable, __file__))
    return web(words) if command == "web" else work(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
