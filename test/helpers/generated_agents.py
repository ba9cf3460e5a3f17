"""What resource agents, fence agents and sbd read of a configuration: their standard input and their environment.

Pacemaker hands a fence agent lines of ``name=value`` on its standard input, and a resource agent ``OCF_RESKEY_name`` in its environment;
sbd's unit has its options from a file that systemd reads, and that Debian's scripts read with a shell.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jinja2

from hamysql.fencing import devices
from hamysql.fencing import sbd as fencing_sbd
from hamysql.system.command import run
from support import ROOT

PYTHON = "/usr/bin/python3"  # for which fence-agents are installed
LIBRARY = ROOT / "test/helpers/fence_library.py"
SHELL = Path("/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs")
FENCING = Path("/usr/share/fence/fencing.py")
AGENT = "/usr/sbin/fence_dummy"  # pacemaker's own, in whose place the tests' agent is
# What fence-agents take for a boolean's two words.
WORDS = {"true": "1", "yes": "1", "on": "1", "1": "1", "false": "0", "no": "0", "off": "0", "0": "0"}
MISSING = [str(path) for path in (SHELL, FENCING, Path(AGENT), Path(PYTHON)) if not path.exists()]


def given(resource: ET.Element) -> dict[str, str]:
    """The parameters of a resource. Those for one node only come first, and pacemaker takes the first set that applies."""
    found: dict[str, str] = {}
    for pair in resource.iterfind("instance_attributes/nvpair"):
        found.setdefault(pair.get("name", ""), pair.get("value", ""))
    return found


class Agents:
    """The readers of all that agents are told; the library runs as long as this object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @functools.cached_property
    def _library(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [PYTHON, str(LIBRARY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def close(self) -> None:
        if "_library" in self.__dict__:
            self._library.communicate()

    def _ask(self, names: list[str], text: str) -> dict[str, str]:
        library = self._library
        assert library.stdin
        assert library.stdout
        library.stdin.write(json.dumps({"names": names, "text": text}) + "\n")
        library.stdin.flush()
        found: dict[str, str] = json.loads(library.stdout.readline())
        return found

    # --- fence agents

    def fence(self, found: Mapping[str, Any], whole: bool) -> None:
        """Each device's options and secrets, as fence-agents' library reads them; ``whole``: from what pacemaker itself writes."""
        for device in found["fencing"]["devices"]:
            options = {name: value for name, value in device["options"].items() if not name.startswith("pcmk_")}
            wanted = {**options, **{name: str(value) for name, value in device["secrets"].items()}}
            text = "".join(f"{name}={value}\n" for name, value in wanted.items())
            if whole:
                told = self._told(options, dict(device["secrets"]))
                ours = [line for line in told.splitlines(keepends=True) if line.partition("=")[0] in wanted]
                assert sorted(ours) == sorted(text.splitlines(keepends=True))
                text = told
            read = self._ask(list(wanted), text)
            for name, value in wanted.items():
                assert read[name] in (value, WORDS.get(value.lower(), value)), (name, value, read[name])

    def _told(self, options: Mapping[str, str], secrets: Mapping[str, str]) -> str:
        """What pacemaker writes on a fence agent's standard input, with secrets that are in its files only.

        ``stonith_admin`` of 2.1.5 looks for them as if the device were called ``(null)``.
        """
        said, place = self.folder / "said", self.folder / "secrets"
        for folder in ("(null)", "db1"):
            (place / folder).mkdir(parents=True, exist_ok=True)
            for name, value in secrets.items():
                (place / folder / name).write_text(str(value), encoding="utf-8")
                (place / folder / f"{name}.sign").write_text(str(devices._sign(str(value))), encoding="utf-8")
        within = 'mount --bind "$1" "$2" && mount -t tmpfs tmpfs /var/lib/pacemaker && mkdir /var/lib/pacemaker/lrm && cp -r "$3" "$4"'
        words = [str(self._agent()), AGENT, str(place), devices.SECRETS]
        argv = ["stonith_admin", "--validate", "--agent", "fence_dummy", "--device", "db1", "--quiet"]
        parameters = {**options, **dict.fromkeys(secrets, devices.MAGIC)}
        argv += [word for name in parameters for word in ("--env-option", name)]
        env = {"FENCE_LIBRARY_SAID": str(said), "LC_ALL": "C.UTF-8"}
        # Not by the shell's own environment: it hands on no variable whose name is none in a shell.
        argv = ["env", *(f"OCF_RESKEY_{name}={value}" for name, value in parameters.items()), *argv]
        shell = ["sh", "-c", f'{within} && shift 4 && exec "$@"', "sh", *words, *argv]
        done = subprocess.run(
            ["unshare", "--mount", *shell], env={**os.environ, **env}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        shutil.rmtree(place)
        return said.read_text(encoding="utf-8")

    def _agent(self) -> Path:
        path = self.folder / "fence_dummy"
        if not path.exists():
            path.write_text(f"#!{PYTHON}\n{LIBRARY.read_text(encoding='utf-8')}", encoding="utf-8")
            path.chmod(0o755)
        return path

    # --- resource agents

    # What dash makes of the environment, with resource-agents' functions; the lengths, because values may hold line feeds.
    PRINT = '. "$1"; shift; for name; do eval "value=\\$OCF_RESKEY_$name"; printf "%s=%s\\0" "$name" "$value"; done'

    def environment(self, resources: ET.Element) -> None:
        """Each resource's parameters, as a shell script with resource-agents' own functions has them."""
        for resource in resources.iter("primitive"):
            wanted = given(resource)
            if resource.get("class") != "ocf" or not wanted:
                continue
            env = {f"OCF_RESKEY_{name}": value for name, value in wanted.items()}
            env |= {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": resource.get("id", "")}
            shown = run(["dash", "-c", self.PRINT, "sh", str(SHELL), *wanted], env=env).stdout
            read = dict(line.split("=", 1) for line in shown.split("\0")[:-1])
            assert read == wanted, resource.get("id")

    # --- sbd

    def sbd(self, found: Mapping[str, Any]) -> None:
        """The file of sbd's unit, as a shell and as systemd read it, and as we do when we ask what sbd was started with."""
        wanted = found["fencing"]["sbd"]
        if not wanted:
            return
        path = self.folder / "sbd"
        path.write_text(rendered("hamysql/fencing/files/sbd.jinja", found), encoding="utf-8")
        names = {"SBD_DEVICE": "device", "SBD_WATCHDOG_DEV": "watchdog", "SBD_WATCHDOG_TIMEOUT": "watchdog_timeout"}
        values = {name: str(wanted[key]) for name, key in names.items()} | {"SBD_DELAY_START": str(wanted["msgwait"])}
        shell = '. "$1"; shift; for name; do eval "printf \'%s=%s\\n\' $name \\"\\$$name\\""; done'
        by_shell = run(["dash", "-c", shell, "sh", str(path), *values]).stdout.splitlines()
        assert by_shell == [f"{name}={value}" for name, value in values.items()]
        if (by_systemd := environment_file(path)) is not None:
            assert {name: by_systemd.get(name) for name in values} == values
        assert fencing_sbd.parse_file(path.read_text(encoding="utf-8")) == {
            key: str(wanted[key]) for key in ("device", "watchdog", "watchdog_timeout")
        }


def rendered(template: str, found: Mapping[str, Any]) -> str:
    """A file of the formula's that asks for nothing but the configuration."""
    stub = jinja2.DictLoader({"hamysql/map.jinja": "{% set hamysql = found %}"})
    loaders = jinja2.ChoiceLoader([stub, jinja2.FileSystemLoader(ROOT)])
    environment = jinja2.Environment(loader=loaders, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.get_template(template).render(found=found)


def environment_file(path: Path) -> dict[str, str] | None:
    """What systemd makes of an ``EnvironmentFile=``, by the function with which it reads one; ``None`` without systemd's library."""
    libraries = [
        *Path("/usr/lib").glob("*/systemd/libsystemd-shared-*.so"),
        *Path("/lib/systemd").glob("libsystemd-shared-*.so"),
    ]
    if not libraries:
        return None
    read = ctypes.CDLL(str(libraries[0])).load_env_file
    found = ctypes.POINTER(ctypes.c_char_p)()
    assert read(None, os.fsencode(path), ctypes.byref(found)) >= 0
    lines = []
    while found and (line := found[len(lines)]):
        lines.append(line.decode())
    return dict(line.split("=", 1) for line in lines)
