"""Everything that a deployment lets the world see: process lists, the event bus, job returns, logs.

The process lists of the nodes and of the master are sampled while a deployment runs; a process that lives for less than the
pause between two looks may be missed, so a test that looks for secrets is as good as it is long.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path
from typing import Any

from lab import api
from lab.software import salt
from lab.wires import network

# On a node; one process, and a file system that is gone with the node.
SAMPLER = """
import os, time
seen = set()
with open("/run/command-lines", "ab", buffering=0) as out:
    while True:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read()
            except OSError:
                continue
            if line and line not in seen:
                seen.add(line)
                out.write(line.replace(b"\\0", b" ") + b"\\n")
        time.sleep(0.5)  # a look costs a node 20 ms
"""
START = "cat >/run/sampler.py && systemd-run --quiet --unit=sampler python3 /run/sampler.py"
# What a node keeps besides: logs with the journal, and all that its minion has cached. The patterns are not on a command line.
SEARCH = "cat >/run/patterns; grep {} -raF -f /run/patterns {}; rm /run/patterns"
FILES = SEARCH.format("-l", "/var/log /var/cache/salt")
# The lines themselves, with the one before: what a log writes in several lines begins there.
LINES = SEARCH.format("-h -B1 -m20", "/var/log/salt")


class Witness:
    """Looks on while ``watch`` runs something; ``found`` says where any of some texts was seen."""

    def __init__(self, lab: api.Lab) -> None:
        self.lab = lab
        self.lines: dict[str, set[bytes]] = {"master": set()}  # command lines by machine
        self.events = lab.logs / "events.log"
        self._end = threading.Event()

    def watch(self, work: Callable[[], Any]) -> Any:
        for name in self.lab.topology.names:
            api.ssh(self.lab, name, START, stdin=SAMPLER)
        with self.events.open("wb") as out:
            argv = salt.command(self.lab, "salt-run", "state.event", "count=-1", "pretty=False")
            bus = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
            sampling = threading.Thread(target=self._sample)
            sampling.start()
            try:
                return work()
            finally:
                self._end.set()
                sampling.join()
                bus.kill()
                bus.wait()
                for name in self.lab.topology.names:
                    # Now: the next power cut takes them along.
                    lines = api.ssh(self.lab, name, "systemctl stop sampler; cat /run/command-lines", check=False)
                    self.lines[name] = set(lines.encode().splitlines())

    def _sample(self) -> None:
        while not self._end.wait(0.5):
            for pid in network.pids(self.lab):
                try:
                    self.lines["master"].add(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
                except OSError:
                    continue

    def found(self, texts: list[str]) -> list[str]:
        """Every place where one of the texts was seen; of a process list, the program that had it as an argument."""
        wanted = [text.encode() for text in texts]
        places = sorted(
            {
                f"{name}: process list: {self._program(line)}"
                for name, lines in self.lines.items()
                for line in lines
                if any(text in line for text in wanted)
            }
        )
        files = [self.events, *self.lab.logs.glob("*"), *(self.lab.salt / "cache" / "jobs").rglob("*")]
        places += [str(path) for path in files if path.is_file() and any(text in path.read_bytes() for text in wanted)]
        with ThreadPoolExecutor() as threads:
            looks = threads.map(self._on_node(FILES, texts), self.lab.topology.names)
            return [
                *places,
                *(f"{name}: {path}" for name, look in zip(self.lab.topology.names, looks) for path in look),
            ]

    def shown(self, texts: list[str]) -> str:
        """The command lines and the logs' lines that had one of the texts, with stars in its place: why a test failed."""
        lines = {f"{name}: {line.decode(errors='replace')}" for name, seen in self.lines.items() for line in seen}
        for name in self.lab.topology.names:
            lines |= {f"{name}: {line}" for line in self._on_node(LINES, texts)(name)}
        hidden = {line: reduce(lambda shown, text: shown.replace(text, "***"), texts, line) for line in lines}
        return "\n".join(sorted(shown for line, shown in hidden.items() if shown != line))

    @staticmethod
    def _program(line: bytes) -> str:
        """The program of a command line, or the script that an interpreter runs."""
        first, *more = line.decode(errors="replace").split()
        words = [first, *(word for word in more if not word.startswith("-"))]
        interpreter = first.rsplit("/", 1)[-1]
        name = words[1] if interpreter.startswith(("python", "sh", "dash", "bash")) and len(words) > 1 else first
        return name.rsplit("/", 1)[-1]

    def _on_node(self, search: str, texts: list[str]) -> Callable[[str], list[str]]:
        """What a search for some texts finds on a node, line by line."""
        return lambda name: api.ssh(self.lab, name, search, stdin="\n".join(texts) + "\n", timeout=120).splitlines()
