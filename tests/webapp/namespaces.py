"""Machines made of Linux namespaces: each with a host name, process ids and a network of its own.

The file system stays the same, as a network mount would be. Machines of a :class:`Network` are
joined by a switch, to which the test's own machine is plugged, too.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.wait import wait_until

ISOLATED = ("unshare", "--net", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
"""What runs a program as on a machine of its own, without a network."""

OWN_PROCESSES = ("unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
NAMED = ("sh", "-c", 'hostname "$0" && exec "$@"')
SWITCH = "br0"
CABLE = "eth0"


def missing_namespaces() -> str:
    """Why no namespaces can be made here; "" where they can."""
    if os.geteuid() != 0:
        return "namespaces take root"
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "unshare (util-linux) or ip (iproute2) is not installed"
    probe = subprocess.run([*ISOLATED, "true"], capture_output=True, text=True)
    return "" if probe.returncode == 0 else f"no namespaces here: {probe.stderr.strip()}"


MISSING = missing_namespaces()
needs_namespaces = pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")


def ip(*words: str) -> None:
    """Run ``ip``. Raises ``CalledProcessError`` with what it says."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass
class Machine:
    """A machine at the switch: its namespace, host name and address."""

    namespace: str
    host: str
    address: str
    switch: str  # the namespace of the switch
    port: str  # its end of the cable
    programs: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def start(
        self, words: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Run a program there, as its first process; its output goes to the end of ``log``."""
        command = ["ip", "netns", "exec", self.namespace, *OWN_PROCESSES, *NAMED, self.host, *words]
        with log.open("ab") as output:
            program = subprocess.Popen(
                command, env={**os.environ, **(environment or {})}, stdout=output, stderr=output
            )
        self.programs.append(program)
        return program

    def cut(self) -> None:
        """Pull the cable."""
        ip("-n", self.switch, "link", "set", self.port, "down")

    def mend(self) -> None:
        """Plug it in again."""
        ip("-n", self.switch, "link", "set", self.port, "up")

    def stop(self) -> None:
        """Kill what runs."""
        for program in self.programs:
            program.kill()  # and what it started, by --kill-child
            program.wait()


def inner_process(program: "subprocess.Popen[bytes]") -> psutil.Process:
    """The program itself, as this machine sees it."""
    outer = psutil.Process(program.pid)
    return wait_until(outer.children, message="it did not start")[0]


@dataclass
class Network:
    """A switch, and the machines at it. ``address`` is the test's own."""

    name: str
    prefix: str  # of addresses: "10.213.7"
    machines: list[Machine] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Of the test's own machine."""
        return f"{self.prefix}.254"

    def add(self, host: str) -> Machine:
        """One more machine, with a cable to the switch."""
        number = len(self.machines) + 1
        machine = Machine(
            f"{self.name}-{number}", host, f"{self.prefix}.{number}", self.name, f"port{number}"
        )
        ip("netns", "add", machine.namespace)
        self.machines.append(machine)
        ip("-n", self.name, "link", "add", machine.port, "type", "veth",
           "peer", "name", CABLE, "netns", machine.namespace)  # fmt: skip
        ip("-n", self.name, "link", "set", machine.port, "master", SWITCH, "up")
        ip("-n", machine.namespace, "addr", "add", f"{machine.address}/24", "dev", CABLE)
        for device in (CABLE, "lo"):
            ip("-n", machine.namespace, "link", "set", device, "up")
        return machine

    def plug_in(self) -> None:
        """Make the switch, and a cable from it to the test's own machine."""
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "add", SWITCH, "type", "bridge")
        ip("-n", self.name, "link", "set", SWITCH, "up")
        ip("link", "add", self.name, "type", "veth", "peer", "name", "own", "netns", self.name)
        ip("-n", self.name, "link", "set", "own", "master", SWITCH, "up")
        ip("addr", "add", f"{self.address}/24", "dev", self.name)
        ip("link", "set", self.name, "up")

    def unplug(self) -> None:
        """End everything."""
        for machine in self.machines:
            machine.stop()
        for name in (*(each.namespace for each in self.machines), self.name):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        subprocess.run(["ip", "link", "del", self.name], capture_output=True)


@contextmanager
def network() -> Iterator[Network]:
    """A switch to which machines can be added."""
    number = os.getpid()
    made = Network(f"easel{number}", f"10.{200 + number % 50}.{number // 50 % 250}")
    try:
        made.plug_in()
        yield made
    finally:
        made.unplug()
