"""A whole Easel whose worker alone pretends: ``python drained_easel.py serve FLAGS``.

The supervisor and the web process are the real ones; see ``fake_easel.py`` for the engine. Each
process imports what it needs alone: tests start many.
"""

import sys


def serve(words: list[str]) -> int:
    """The supervisor; it repeats the flags to its children."""
    from webapp.processes.supervisor import run
    from webapp.settings.config import parse

    return run(parse(words), words, (sys.executable, __file__))


def web(words: list[str]) -> int:
    """The web process."""
    from webapp.processes.web_server import main

    return main(words)


def work(words: list[str]) -> int:
    """The real loop around the fake engine."""
    from tests.webapp.processes.fake_easel import FakeEngine
    from webapp.logs import start_log
    from webapp.process_tree import die_with_supervisor
    from webapp.queues.worker_id import WorkerId
    from webapp.settings.config import parse_with_secrets
    from webapp.settings.data_dir import open_store
    from webapp.worker.loop import Worker, WorkerSettings

    die_with_supervisor()
    config = parse_with_secrets(words)
    store = open_store(config)
    name = WorkerId.of_process("cpu")
    log = start_log(config.log_json).getChild("worker")
    settings = WorkerSettings(config.data_dir, time_log=config.time_log)
    worker = Worker(name, store, FakeEngine(), settings, log=log)
    worker.shutdown.listen_to_signals()
    return worker.run()


if __name__ == "__main__":
    sys.exit({"serve": serve, "web": web, "worker": work}[sys.argv[1]](sys.argv[2:]))
