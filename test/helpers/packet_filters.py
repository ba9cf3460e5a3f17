"""The firewall's module and state in a network namespace of their own, with a peer, a client and a stranger at the other end of a wire."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from minion import load

from hamysql.config import resolution
from hamysql.system import command, wait
from support import load_pillar, parameters

NODE, PEER, VIP, STRANGER, CLIENT = "192.0.2.11", "192.0.2.12", "192.0.2.100", "192.0.2.66", "192.0.2.200"
NODE6, PEER6, VIP6 = "2001:db8::11", "2001:db8::12", "2001:db8::100"
STRANGER6, CLIENT6 = "2001:db8::66", "2001:db8::200"
HERE = (NODE, VIP, NODE6, VIP6)
SERVE = """
import select, socket, sys
tcp = [socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) for port in (22, 4506, 3306, 7788, 8080)]
udp = []
for address in sys.argv[1:]:
    udp.append(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM))
    udp[-1].bind((address, 5405))
print("ready", flush=True)
while True:
    for ready in select.select([*tcp, *udp], [], [])[0]:
        if ready in udp:
            data, sender = ready.recvfrom(100)
            ready.sendto(data, sender)
        else:
            ready.accept()[0].close()
"""
KNOCK = """
import socket, sys
source, target, kind, port = sys.argv[1:]
family = socket.AF_INET6 if ":" in target else socket.AF_INET
sock = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
sock.settimeout(0.4)
sock.bind((source, 0))
try:
    sock.connect((target, int(port)))
    if kind == "udp":
        sock.send(b"x")
        sock.recv(1)
    print("open")
except OSError:
    print("closed")
"""
# Where each service of a node listens; of the database, for its virtual address.
DOORS = {
    "corosync": ("udp", 5405),
    "drbd": ("tcp", 7788),
    "database": ("tcp", 3306),
    "ssh": ("tcp", 22),
    "salt": ("tcp", 4506),
    "other": ("tcp", 8080),
}
FOLDERS = ("_modules", "_states")
Knock = Callable[[str, str, str, int], str]


class Host:
    """A network namespace with the packet filter tools of one variant of iptables, and the state working in it."""

    def __init__(self, name: str, variant: str, firewall: dict[str, Any] | None = None) -> None:
        self.name, self.variant, self.firewall = name, variant, firewall or {}
        self.env: dict[str, str] = {}
        self.module, self.state = (
            load(f"{folder}/hamysql_firewall.py", f"{folder}.hamysql_firewall") for folder in FOLDERS
        )
        self.module.run = self.run
        self.module.__salt__ = {"hamysql.config": lambda: self.config}
        self.state.__opts__ = {"test": False}
        verbs = ("read", "apply", "remove", "obstacles")
        self.state.__salt__ = {
            **self.module.__salt__,
            **{f"hamysql_firewall.{verb}": getattr(self.module, verb) for verb in verbs},
        }
        self.use(load_pillar("minimal"))

    def use(self, pillar: dict[str, Any]) -> None:
        pillar["firewall"] = {"client_networks": [f"{CLIENT}/32"], **self.firewall}
        merged = resolution.layered(parameters(), pillar)
        self.config = resolution.resolve(merged, minion_id="db1", nodename="db1")

    def run(self, argv: list[str], **options: Any) -> command.Result:
        tool, dash, what = argv[0].partition("-")
        if tool in ("iptables", "ip6tables"):
            argv = [f"{tool}-{self.variant}{dash}{what}", *argv[1:]]
        return command.run(["ip", "netns", "exec", self.name, *argv], env=self.env, **options)

    def managed(self, test: bool = False) -> dict[str, Any]:
        self.state.__opts__["test"] = test
        return self.state.managed("chain")

    def absent(self, backend: str) -> dict[str, Any]:
        self.state.__opts__["test"] = False
        return self.state.absent("chain", backend)

    def cmd(self, *words: str, accept: tuple[int, ...] = (0,)) -> str:
        return self.run(["firewall-cmd", *words], accept=accept).stdout

    def saved(self) -> list[str]:
        lines = self.run(["iptables-save", "-t", "filter"]).stdout.splitlines()
        return [line for line in lines if line.startswith("-A")]


@contextlib.contextmanager
def host(variant: str, firewall: dict[str, Any] | None = None) -> Iterator[Host]:
    name = f"hamysql-test-{os.getpid()}-{variant}"
    command.run(["ip", "netns", "add", name])
    try:
        yield Host(name, variant, firewall)
    finally:
        command.run(["ip", "netns", "del", name])


class Firewalld:
    """firewalld in a host's namespace, with a message bus and a configuration of its own."""

    def __init__(self, host: Host, folder: Path) -> None:
        self._host, self.folder = host, folder
        self.policy = folder / "policies" / "hamysql.xml"
        self.policy.parent.mkdir()
        self._daemon: subprocess.Popen[bytes] | None = None
        host.env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/bus"}

    def lay(self) -> None:
        """Write the policy as hamysql/firewall/firewalld.sls does."""
        self.policy.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n{self._host.config["firewall"]["policy"]}')

    def managed(self, test: bool = False) -> dict[str, Any]:
        if not test:
            self.lay()
        return self._host.managed(test)

    def start(self) -> None:
        words = ["--nofork", "--nopid", "--system-config", self.folder, "--log-target", "console"]
        argv = ["ip", "netns", "exec", self._host.name, "firewalld", *map(str, words)]
        env = {**os.environ, **self._host.env}
        self._daemon = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait.until(self._answers, bool, "firewalld answers", timeout=60, interval=0.1)

    def stop(self) -> None:
        if self._daemon:
            self._daemon.terminate()
            self._daemon.wait()
            self._daemon = None

    def _answers(self) -> bool:
        return self._host.run(["firewall-cmd", "--state"], accept=(0, 252)).returncode == 0


BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=%s/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/> <allow own="*"/>
    <allow send_type="method_call"/> <allow send_destination="*"/>
    <allow receive_type="method_call"/> <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@contextlib.contextmanager
def firewalld(host: Host, settings: str = "") -> Iterator[Firewalld]:
    """A running firewalld with lines of firewalld.conf; its first zone is `public`."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "bus.conf").write_text(BUS % folder)
        (folder / "firewalld.conf").write_text(f"DefaultZone=public\n{settings}\n")
        argv = ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--print-address"]
        bus = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        stack.callback(bus.wait)
        stack.callback(bus.kill)
        assert bus.stdout
        assert bus.stdout.readline(), "the bus listens"
        daemon = Firewalld(host, folder)
        stack.callback(daemon.stop)
        daemon.start()
        yield daemon
        bus.stdout.close()


@contextlib.contextmanager
def wire(host: Host) -> Iterator[Knock]:
    """The node's addresses in its namespace, and a second namespace with those of the peer, a client and a stranger."""
    other = f"{host.name}-far"
    command.run(["ip", "netns", "add", other])
    with contextlib.ExitStack() as stack:
        stack.callback(command.run, ["ip", "netns", "del", other])
        command.run(
            ["ip", "-n", host.name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other]
        )
        for space, addresses in (
            (host.name, HERE),
            (other, (PEER, STRANGER, CLIENT, PEER6, STRANGER6, CLIENT6)),
        ):
            for address in addresses:
                length = ["64", "nodad"] if ":" in address else ["24"]
                words = [f"{address}/{length[0]}", "dev", "eth0", *length[1:]]
                command.run(["ip", "-n", space, "address", "add", *words])
            for link in ("lo", "eth0"):
                command.run(["ip", "-n", space, "link", "set", link, "up"])
        server = subprocess.Popen(
            ["ip", "netns", "exec", host.name, "python3", "-c", SERVE, NODE, NODE6], stdout=subprocess.PIPE, text=True
        )
        stack.callback(server.wait)
        stack.callback(server.kill)
        assert server.stdout.readline() == "ready\n"

        def knock(source: str, target: str, kind: str, port: int) -> str:
            argv = ["python3", "-c", KNOCK, source, target, kind, str(port)]
            space = host.name if source in HERE else other
            return command.run(["ip", "netns", "exec", space, *argv]).stdout.strip()

        yield knock
        server.stdout.close()


def opened(knock: Knock, node: str, vip: str, source: str) -> set[str]:
    """The services of a node that a source reaches."""
    return {
        door
        for door, (kind, port) in DOORS.items()
        if knock(source, vip if door == "database" else node, kind, port) == "open"
    }
