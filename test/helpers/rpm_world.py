"""A machine of dnf's in a mount namespace: its configuration, packages and repositories are a test's own, /usr is this machine's.

Its packages have no files, so that nothing of them is ever on this machine. What is installed is known to a database below ``home``
alone: Debian's rpm keeps root's below ``$HOME``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import ROOT

PROGRAMS = ("dnf", "rpm", "rpmbuild", "createrepo_c", "modifyrepo_c", "unshare")
SPEC = """\
Name: %{n}
Version: %{v}
Release: %{r}
Summary: a package without files
License: none
BuildArch: noarch
%description
None.
%files
"""
# Without the distribution's own repositories, which are not there; the platform is what a stream of a module is for.
CONF = """\
[main]
gpgcheck=0
plugins=1
reposdir={folder}/yum.repos.d
cachedir={folder}/cache
persistdir={folder}/persist
logdir={folder}/log
module_platform_id=platform:el{release}
"""
STREAM = """\
---
document: modulemd
version: 2
data:
  name: {name}
  stream: "{stream}"
  version: {version}
  context: 00000000
  arch: noarch
  summary: a module of the test
  description: None.
  license: {{module: [none]}}
  artifacts: {{rpms: [{rpms}]}}
...
"""
DEFAULT = """\
---
document: modulemd-defaults
version: 1
data: {{module: {name}, stream: "{stream}"}}
...
"""


class Machine:
    """``folder`` has all that is its own."""

    def __init__(self, folder: Path, release: int) -> None:
        self.folder = folder
        self.env = {**os.environ, "HOME": str(folder / "home"), "LC_ALL": "C.UTF-8"}
        for name in ("home", "etc/plugins", "etc/modules.d", "yum.repos.d", "build"):
            (folder / name).mkdir(parents=True)
        (folder / "build" / "package.spec").write_text(SPEC)
        (folder / "etc" / "dnf.conf").write_text(CONF.format(folder=folder, release=release))
        (folder / "etc" / "plugins" / "versionlock.list").touch()
        lock = "[main]\nenabled = 1\nlocklist = /etc/dnf/plugins/versionlock.list\n"
        (folder / "etc" / "plugins" / "versionlock.conf").write_text(lock)

    def build(self, repository: str, *packages: str) -> str:
        """A repository with packages, named ``NAME-VERSION-RELEASE``; returns its address. ``+`` parts of a release are a module's."""
        place = self.folder / "repositories" / repository
        for package in packages:
            name, version, release = package.rsplit("-", 2)
            defined = {"_topdir": self.folder / "build", "_rpmdir": place, "n": name, "v": version, "r": release}
            options = [word for key, value in defined.items() for word in ("--define", f"{key} {value}")]
            self._run("rpmbuild", "-bb", "--quiet", *options, str(self.folder / "build" / "package.spec"))
        self._run("createrepo_c", "--quiet", str(place))
        return f"file://{place}"

    def streams(self, repository: str, name: str, streams: dict[str, str], default: str) -> None:
        """Make a module in a repository: each of its streams has one package."""
        place = self.folder / "repositories" / repository
        parts = [
            STREAM.format(name=name, stream=stream, version=number, rpms=rpm)
            for number, (stream, rpm) in enumerate(streams.items(), 1)
        ]
        file = self.folder / "build" / "modules.yaml"
        file.write_text("".join([*parts, DEFAULT.format(name=name, stream=default)]))
        self._run("modifyrepo_c", "--mdtype=modules", str(file), str(place / "repodata"))

    def salt(self, script: str, *arguments: Any) -> Any:
        """What a Python script prints as JSON on its last line; it runs on the machine, with the tests' helpers to import."""
        paths = os.pathsep.join(
            str(ROOT / folder) for folder in ("_utils", "test", "test/helpers", "test/helpers/worlds", ".")
        )
        argv = [*self._inside(), sys.executable, "-c", script, json.dumps(arguments)]
        done = subprocess.run(argv, env={**self.env, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    def dnf(self, *words: str) -> str:
        """What dnf itself says there."""
        return self._run(*self._inside(), "dnf", *words)

    def installed(self) -> list[str]:
        """The packages as NAME-VERSION-RELEASE, in alphabetical order."""
        return sorted(self._run("rpm", "-qa", "--queryformat", "%{NAME}-%{VERSION}-%{RELEASE}\\n").split())

    def _inside(self) -> list[str]:
        return ["unshare", "--mount", "sh", "-ec", f'mount --bind {self.folder}/etc /etc/dnf; exec "$@"', "sh"]

    def _run(self, *argv: str) -> str:
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
