"""A node as Salt sees it: the real loaders of a minion, with another machine's grains."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import sys
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import salt.client
import salt.config
import salt.loader
import salt.minion  # here, once, and not in each node's process
import salt.modules.aptpkg
import salt.modules.cmdmod
import salt.modules.cp
import salt.modules.file
import salt.modules.state
import salt.modules.systemd_service
import salt.renderers.jinja
import salt.renderers.yaml
import salt.state
import salt.states.file
import salt.states.pkg
import salt.version
import yaml

from hamysql.system.command import run
from support import ROOT

# The grains that the formula looks at, of each operating system that it renders for.
SYSTEMS = {
    "debian12": {"os_family": "Debian", "os": "Debian", "osrelease": "12", "oscodename": "bookworm"},
    "debian13": {"os_family": "Debian", "os": "Debian", "osrelease": "13", "oscodename": "trixie"},
    "ubuntu2204": {"os_family": "Debian", "os": "Ubuntu", "osrelease": "22.04", "oscodename": "jammy"},
    "ubuntu2404": {"os_family": "Debian", "os": "Ubuntu", "osrelease": "24.04", "oscodename": "noble"},
    "el8": {"os_family": "RedHat", "os": "AlmaLinux", "osrelease": "8.10", "oscodename": "Cerulean Leopard"},
    "el9": {"os_family": "RedHat", "os": "Rocky", "osrelease": "9.6", "oscodename": "Blue Onyx"},
    "el10": {"os_family": "RedHat", "os": "CentOS Stream", "osrelease": "10", "oscodename": "Coughlan"},
    "sles15": {
        "os_family": "Suse",
        "os": "SUSE",
        "osrelease": "15.7",
        "oscodename": "SUSE Linux Enterprise Server 15 SP7",
    },
    "sles16": {
        "os_family": "Suse",
        "os": "SUSE",
        "osrelease": "16.0",
        "oscodename": "SUSE Linux Enterprise Server 16.0",
    },
    # Of the 2013 procedure that hamysql replaces; test_centos6.py has the only pillar for it.
    "centos6": {"os_family": "RedHat", "os": "CentOS", "osrelease": "6.4", "oscodename": "Final"},
}
SERVED = ("hamysql", "_modules", "_states", "_utils", "_runners", "_output")


def serve(folder: Path) -> Path:
    """A file server's root that holds the formula and nothing else."""
    folder.mkdir()
    for name in SERVED:
        (folder / name).symlink_to(ROOT / name)
    return folder


def pillar_root(folder: Path, pillar: Any) -> Path:
    folder.mkdir()
    (folder / "top.sls").write_text("base:\n  '*': [hamysql]\n")
    (folder / "hamysql.sls").write_text(yaml.safe_dump({"hamysql": pillar}, sort_keys=False))
    return folder


class Raised(Exception):
    """What a function raised in a node: the class's name and its message."""


class Node:
    """A minion without a master. ``call`` is what ``salt-call --local`` does, without a new program each time.

    Each node is a process of its own: two minions in one process share what Salt's loaders keep in modules.
    """

    def __init__(self, folder: Path, pillar: Any, system: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # A real file, because Salt reads the grains of a minion's configuration from there.
        file = folder / "minion"
        options = {
            "id": "db1",
            "root_dir": str(folder),
            "file_client": "local",
            "file_roots": {"base": [str(serve(folder / "states"))]},
            "pillar_roots": {"base": [str(pillar_root(folder / "pillar", pillar))]},
            "module_dirs": [str(ROOT / "_modules")],
            "states_dirs": [str(ROOT / "_states")],
            "grains": {
                **SYSTEMS[system],
                "nodename": "db1",
                "osmajorrelease": int(SYSTEMS[system]["osrelease"].split(".")[0]),
            },
        }
        file.write_text(yaml.safe_dump(options))
        self._low: dict[str, Any] = {}
        fork = multiprocessing.get_context("fork")
        self._pipe, far = fork.Pipe()
        self._process = fork.Process(target=_serve, args=(far, str(file)), daemon=True)
        self._process.start()

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call an execution module's function; raises ``Raised`` where it raises."""
        self._pipe.send((function, args, kwargs))
        done, result = self._pipe.recv()
        if not done:
            raise Raised(result)
        return result

    def end(self) -> None:
        self._process.kill()
        self._process.join()

    def low(self, name: str = "hamysql") -> list[dict[str, Any]]:
        """The states in the order in which they would run."""
        if name not in self._low:
            self._low[name] = self.call("state.show_low_sls", name)
        found = self._low[name]
        assert all(isinstance(chunk, dict) for chunk in found), f"{name} does not compile: {found}"
        return found

    def complaints(self, sls: str, folder: Path) -> str:
        """What systemd says against the service and the timer of an SLS file, which are rendered into a folder."""
        files = [folder / f"hamysql-{sls}.{kind}" for kind in ("service", "timer")]
        for file in files:
            template = f"salt://hamysql/{sls}/files/{file.name}.jinja"
            file.write_text(self.call("slsutil.renderer", template, default_renderer="jinja", saltenv="base"))
        if not shutil.which("systemd-analyze"):
            return ""
        said = run(["systemd-analyze", "verify", *map(str, files)], accept=range(256)).stderr
        return "\n".join(line for line in said.splitlines() if f"hamysql-{sls}" in line)


def _serve(pipe: Connection, file: str) -> None:
    """The node's process: Salt's loaders once, then a call at a time."""
    # Salt, once loaded in pytest's process, has handlers of its own; with them nothing would end this one.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    logging.disable()  # pytest's streams are closed here
    opts = salt.config.minion_config(file)
    known = {**machine(), **opts["grains"]}
    salt.loader.grains = lambda *_, **__: known  # asking this machine takes seconds, and is not what is tested
    call = salt.client.Caller(mopts=opts).cmd
    while True:
        function, args, kwargs = pipe.recv()
        try:
            pipe.send((True, _plain(call(function, *args, **kwargs))))
        except Exception as exc:
            pipe.send((False, f"{type(exc).__name__}: {exc}"))


@cache
def machine() -> dict[str, Any]:
    """This machine's own grains, as far as Salt's modules for packages, services and files look at them."""
    return {
        "kernel": "Linux",
        "init": "systemd",
        "systemd": {"version": "252", "features": ""},
        "osarch": "amd64",
        "cpuarch": "x86_64",
        "saltversion": salt.version.__version__,
        "saltversioninfo": list(salt.version.__version_info__),
        "pythonversion": list(sys.version_info[:3]),
        "username": "root",
        "path": os.environ["PATH"],
    }


def _plain(value: Any) -> Any:
    """Plain containers: Salt's own do not all travel."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
