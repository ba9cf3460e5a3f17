"""The one way to run drbdadm: it repeats a command that failed, and commands can hold the shared secret."""

from __future__ import annotations

import re
from collections.abc import Collection

from hamysql.errors import CommandFailed
from hamysql.schema.language import MASK
from hamysql.system.command import Result, Run

# The file that it reads may hold another secret than the pillar; the next option, or the end of the command, follows.
_OPTION = re.compile(r"(--shared-secret=).*?(?= --|' (?:terminated|did not terminate)|$)", re.MULTILINE)


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

    Raises ``CommandFailed``.
    """
    try:
        return run(["drbdadm", *words], stdin=stdin, timeout=timeout, accept=accept)
    except CommandFailed as exc:
        output = _OPTION.sub(rf"\1{MASK}", exc.output.replace(secret, MASK) if secret else exc.output)
        failed = CommandFailed(exc.argv, exc.returncode, output)
    # Outside of the handler: the error with the secret is not to be the context of the one without.
    raise failed
