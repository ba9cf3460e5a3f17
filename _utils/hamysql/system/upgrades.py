"""What a package manager would update on this machine, and the update: apt's and dnf's."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from hamysql.errors import ParseError, Refused
from hamysql.system.command import Run

_INST = re.compile(r"^Inst (\S+)(?: \[([^]]*)\])? \((\S+) ")
_REMV = re.compile(r"^Remv (\S+)")
# Questions have the answer that keeps an administrator's file. needrestart would restart services, and asks no policy-rc.d(8).
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "APT_LISTCHANGES_FRONTEND": "none"}
_APT = ("apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=900")
_SHOWN = ("--simulate", "-o", "APT::Get::Show-User-Simulation-Note=false")
ARCHIVES = Path("/var/cache/apt/archives")
HOUR = 3600.0  # seconds


@dataclass(frozen=True)
class Update:
    """A package with its version now, "" where it comes anew, and the version that it would get, "" where it would go."""

    name: str
    old: str
    new: str

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "old": self.old, "new": self.new}


class Manager(ABC):
    """A package manager.

    A package is left as it is where its name is like one of the patterns ``left`` (``fnmatch``). What an administrator holds is
    left as well; ``ours`` are packages that hamysql itself holds, and may update.
    """

    @abstractmethod
    def refresh(self, run: Run) -> None:
        """Fetch the lists of what the repositories have. Raises ``CommandFailed`` where one does not answer."""

    @abstractmethod
    def updates(self, run: Run, left: Collection[str], ours: Collection[str]) -> list[Update]:
        """What would be updated, comes anew with that, or goes, by name."""

    @abstractmethod
    def held(self, run: Run) -> list[str]:
        """The packages that are held at their version."""

    @abstractmethod
    def fetch(self, run: Run, updates: Sequence[Update]) -> None:
        """Download what would be installed, and install nothing."""

    @abstractmethod
    def brings(self, run: Run, release: str, module: str) -> bool | None:
        """Whether what was fetched for a kernel has a module; ``None`` where nothing was fetched for it."""

    @abstractmethod
    def install(self, run: Run, updates: Sequence[Update], ours: Collection[str]) -> None:
        """Have these versions installed. Whatever was held is held again."""

    @abstractmethod
    def kernels(self, updates: Iterable[Update]) -> list[str]:
        """The kernels that come with the updates, as ``uname -r`` would print them."""

    @abstractmethod
    def headers(self, release: str) -> str:
        """The package that a module is built with for a kernel."""


class Apt(Manager):
    def refresh(self, run: Run) -> None:
        run([*_APT, "-o", "APT::Update::Error-Mode=any", "update"], timeout=HOUR)

    def updates(self, run: Run, left: Collection[str], ours: Collection[str]) -> list[Update]:
        names = [item.name for item in _simulated(run, ["dist-upgrade"]) if item.old and item.new]
        held = [name for name in self.held(run) if name in ours]
        wanted = [name for name in dict.fromkeys([*names, *held]) if not _like(name, left)]
        return _simulated(run, [*_only(held), *wanted]) if wanted else []

    def held(self, run: Run) -> list[str]:
        return run(["apt-mark", "showhold"]).stdout.split()

    def fetch(self, run: Run, updates: Sequence[Update]) -> None:
        if words := _versions(updates):
            argv = [*_APT, "--yes", "--download-only", *_only(words), *words]
            run(argv, env=_QUIET, timeout=HOUR)

    def brings(self, run: Run, release: str, module: str) -> bool | None:
        files = sorted(ARCHIVES.glob(f"linux-*{release}_*.deb"))
        if not files:
            return None
        name = re.compile(rf"/{re.escape(module)}\.ko(\.\w+)?$", re.MULTILINE)
        return any(name.search(run(["dpkg-deb", "--contents", str(file)], timeout=300).stdout) for file in files)

    def install(self, run: Run, updates: Sequence[Update], ours: Collection[str]) -> None:
        held = [name for name in self.held(run) if name in ours]
        keep = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
        words = _versions(updates)
        try:
            if words:
                run([*_APT, "--yes", *keep, *_only(held), *words], env=_QUIET, timeout=HOUR)
        finally:
            if held:
                run(["apt-mark", "hold", *held])

    def kernels(self, updates: Iterable[Update]) -> list[str]:
        found = [re.fullmatch(r"linux-image-(?:unsigned-)?(\d.*?)(?:-unsigned)?", item.name) for item in updates]
        return [match[1] for match in found if match]

    def headers(self, release: str) -> str:
        return f"linux-headers-{release}"


def _only(held: Sequence[str]) -> list[str]:
    return ["--only-upgrade", "--no-install-recommends", *(["--allow-change-held-packages"] if held else []), "install"]


def _simulated(run: Run, words: Sequence[str]) -> list[Update]:
    text = run([*_APT, *_SHOWN, *words], timeout=300).stdout
    found = []
    for line in text.splitlines():
        if match := _INST.match(line):
            found.append(Update(match[1], match[2] or "", match[3]))
        elif match := _REMV.match(line):
            found.append(Update(match[1], "installed", ""))
        elif not line.startswith(("Conf ", "Inst ", "Remv ", "Purg ")) and line.strip():
            raise ParseError(f"apt-get --simulate printed something unknown: {line.strip()!r}")
    return sorted(found, key=lambda item: item.name)


def _versions(updates: Sequence[Update]) -> list[str]:
    return [f"{item.name}={item.new}" for item in updates if item.old and item.new]


def _like(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


class Dnf(Manager):
    def refresh(self, run: Run) -> None:
        run(["dnf", "--quiet", "--refresh", "makecache"], timeout=HOUR)

    def updates(self, run: Run, left: Collection[str], ours: Collection[str]) -> list[Update]:
        form = "%{name} %{evr} %{arch}\n"
        text = run(
            ["dnf", "--quiet", "repoquery", "--upgrades", "--latest-limit=1", "--queryformat", form], timeout=600
        )
        rows = [line.split() for line in text.stdout.splitlines() if line.strip()]
        new = {f"{name}.{arch}": (name, evr) for name, evr, arch in rows if not _like(name, left)}
        if not new:
            return []
        installed = run(["rpm", "--query", "--queryformat", "%{NAME}.%{ARCH} %{EVR}\n", *new], timeout=120).stdout
        old = dict(line.split() for line in installed.splitlines())
        return [Update(name, old.get(key, ""), f"{evr}.{key.rpartition('.')[2]}") for key, (name, evr) in new.items()]

    def held(self, run: Run) -> list[str]:
        listed = run(["dnf", "--quiet", "versionlock", "list"], accept=range(256), timeout=120)
        return listed.stdout.split() if listed.returncode == 0 else []

    def fetch(self, run: Run, updates: Sequence[Update]) -> None:
        run(["dnf", "--assumeyes", "--downloadonly", "upgrade", *self._words(updates)], timeout=HOUR)

    def brings(self, run: Run, release: str, module: str) -> bool | None:
        return None  # the module is another package's there

    def install(self, run: Run, updates: Sequence[Update], ours: Collection[str]) -> None:
        if updates:
            run(["dnf", "--assumeyes", "upgrade", *self._words(updates)], timeout=HOUR)

    def kernels(self, updates: Iterable[Update]) -> list[str]:
        return [item.new.rpartition(":")[2] for item in updates if item.name == "kernel-core"]

    def headers(self, release: str) -> str:
        return "kernel-devel"

    def _words(self, updates: Sequence[Update]) -> list[str]:
        return [f"{item.name}-{item.new}" for item in updates]


_MANAGERS: dict[str, Manager] = {"Debian": Apt(), "RedHat": Dnf()}


def of(family: str) -> Manager:
    """The package manager of a family of operating systems, Salt's grain ``os_family``."""
    if family not in _MANAGERS:
        raise Refused(f"hamysql cannot update {family} yet: drain a node, update it, and take it back")
    return _MANAGERS[family]
