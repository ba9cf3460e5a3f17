"""Roots of other systems, for tests that run their programs on this one: made once, kept in the cache.

Debian has MySQL in sid alone, whose libraries Debian 12 has not. In a finished root nothing is mounted, and no daemon runs. Its
programs run by its own loader (see :func:`program`), as processes of this machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from lab.basics.context import Lab
from lab.basics.host import run
from lab.basics.lock import locked

# The server and its clients without the package that makes a datadir, an account and a unit.
PACKAGES = ("mysql-server-core", "mysql-client-core")
LOADER, LIBRARIES = "lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"
PROGRAMS = {"mysqld": "usr/sbin/mysqld", "mysql": "usr/bin/mysql", "mysqladmin": "usr/bin/mysqladmin"}

# sid beside what mmdebstrap has written: for the packages alone, and what they need of it.
_INSTALL = f"""set -e
printf 'Package: *\\nPin: release n=sid\\nPin-Priority: 100\\n' >/etc/apt/preferences.d/sid
sed -n 's/ trixie main$/ sid main/p' /etc/apt/sources.list >/etc/apt/sources.list.d/sid.list
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --target-release sid {" ".join(PACKAGES)}
"""


def mysql_root(lab: Lab) -> Path:
    """Where the root with MySQL is, or will be."""
    return lab.cache / f"root-mysql-{hashlib.sha256(repr(_command(Path('root'))).encode()).hexdigest()[:16]}"


def build(lab: Lab, say: Callable[[str], None]) -> Path:
    """Make the root where it is missing: a bare Debian 13 with MySQL from sid. Takes a minute."""
    root = mysql_root(lab)
    if root.exists():
        return root
    with locked(lab.cache / "lock-roots", say):
        if root.exists():
            return root
        say("making a root with MySQL, for tests")
        for left in [*lab.cache.glob("root-mysql-*"), *lab.cache.glob("making-root-*")]:
            shutil.rmtree(left)
        work = lab.cache / f"making-root-{os.getpid()}"
        try:
            run(_command(work), log=lab.logs / "roots.log", timeout=1800)
            _forget(work)
            work.rename(root)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return root


_QUOTE, _ESCAPED = "'", "'\\''"


def _command(work: Path) -> list[str | Path]:
    return [
        *("mmdebstrap", "--mode=root", "--variant=apt"),
        # An archive may be a frozen copy.
        *('--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Install-Recommends "false"'),
        f"--customize-hook=chroot \"$1\" sh -c '{_INSTALL.replace(_QUOTE, _ESCAPED)}'",
        *("trixie", work),
    ]


def _forget(work: Path) -> None:
    """What no program needs."""
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(work / name, ignore_errors=True)


def program(root: Path, name: str, folder: Path) -> Path:
    """A program of the root, as one file in a folder that can be run here.

    name
        ``mysqld``, ``mysql`` or ``mysqladmin``. The server is told where its messages, character sets and plugins are. Its
        folder for exports is none, because that of its package is not there.
    """
    share = root / "usr/share/mysql"
    more = [f"--character-sets-dir={share}/charsets"]
    if name == "mysqld":
        more += [f"--lc-messages-dir={share}", f"--plugin-dir={root}/usr/lib/mysql/plugin", "--secure-file-priv=NULL"]
    if name == "mysqladmin":
        more = []
    script = folder / name
    # The option that names the option files has to be the first one.
    script.write_text(
        "#!/bin/sh\nfirst=\n"
        "case ${1-} in --defaults-file=* | --no-defaults) first=$1 && shift ;; esac\n"
        f"exec {root / LOADER} --library-path {root / LIBRARIES} {root / PROGRAMS[name]} "
        f'${{first:+"$first"}} {" ".join(more)} "$@"\n'
    )
    script.chmod(0o755)
    return script
