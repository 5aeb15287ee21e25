"""Connections that one address may have, and a proxy's."""

from pathlib import Path

from webapp.access.forwarded import parse_networks
from webapp.http.thread_admission import ThreadLimits
from webapp.processes.web_server import connection_limits
from webapp.processes.web_worker import ConnectionLimits
from webapp.settings.config import Config


def test_a_trusted_proxy_may_have_all_connections() -> None:
    proxies = parse_networks(["10.0.0.0/8"])
    limits = ConnectionLimits(100, 8, ThreadLimits(9, 8, 7, 6), proxies=proxies)
    assert [limits.count_of(each) for each in ("10.1.2.3", "203.0.113.7", "")] == [100, 8, 8]
    flags = Config(data_dir=Path(), trusted_proxies=("10.0.0.0/8",))
    assert connection_limits(flags).proxies == proxies
