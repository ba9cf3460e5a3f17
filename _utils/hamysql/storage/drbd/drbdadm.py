"""The one way to run drbdadm: it repeats a command that failed, and commands can hold the shared secret."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from hamysql.errors import CommandFailed
from hamysql.schema.language import MASK
from hamysql.system import root
from hamysql.system.command import Result, Run

# The file that it reads may hold another secret than the pillar; the next option, or the end of the command, follows.
_OPTION = re.compile(r"(--shared-secret=).*?(?= --|' (?:terminated|did not terminate)|$)", re.MULTILINE)

NODE = Path("/var/lib/hamysql/node")  # what the cluster calls this machine (hamysql/pacemaker/init.sls)
_NOT_FOR_THIS_HOST = "(for this host)"


def call(
    run: Run,
    secret: str | None,
    *words: str,
    stdin: str | None = None,
    timeout: float = 60,
    accept: Collection[int] = (0,),
) -> Result:
    """Run ``drbdadm`` with ``words``; see :func:`hamysql.system.command.run` for the others, and for what is returned.

    secret
        The pillar's shared secret, if there is one. It is masked in the error, not in the result.

    Raises ``CommandFailed``. It says so where the reason is another host name than the one that drbd.conf has.
    """
    try:
        return run(["drbdadm", *words], stdin=stdin, timeout=timeout, accept=accept)
    except CommandFailed as exc:
        output = _OPTION.sub(rf"\1{MASK}", exc.output.replace(secret, MASK) if secret else exc.output)
        failed = CommandFailed(exc.argv, exc.returncode, output + _renamed(output))
    # Outside of the handler: the error with the secret is not to be the context of the one without.
    raise failed


def _renamed(output: str) -> str:
    """What to do about a machine that DRBD does not find in its configuration, since its host name was changed."""
    if _NOT_FOR_THIS_HOST not in output:
        return ""
    try:
        name = root.at(NODE).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    now = os.uname().nodename
    if now.partition(".")[0] == name:
        return ""
    return (
        f"\nThe host name of this machine is {now} now, and DRBD's configuration has {name}. Give it that name back: "
        f"`hostnamectl set-hostname {name}`"
    )
