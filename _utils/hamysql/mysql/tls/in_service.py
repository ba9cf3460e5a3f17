"""Which certificate, key and authorities a running server has read, of the sets of files on its node."""

from __future__ import annotations

from pathlib import Path

from hamysql.mysql import pending, process
from hamysql.mysql.tls import certificate
from hamysql.mysql.tls import files as tls_files
from hamysql.pending import Pending
from hamysql.resolved.software import Mysql
from hamysql.system import files
from hamysql.system.command import Run


def unread(
    run: Run, config: Mysql, known: pending.Process, running: pending.Options, folder: Path, note: Path
) -> Pending | None:
    """What the server does not present of the pillar's files, though it was started with them.

    folder, note
        Of the sets of files, and where it is written down which one it was told to read.
    """
    if not config["tls"]["enabled"] or "ssl_cert" not in running:
        return None
    shown = tls_files.presented(run, config["socket"])
    loaded = _loaded(known, folder, note)
    return pending.presents(config, running, shown, loaded, lambda text: certificate.named(run, text))


def _loaded(known: pending.Process, folder: Path, note: Path) -> str | None:
    """The digest of the set that the server has read: at its start, or because it was told to."""
    noted = pending.recorded(files.text_if_any(note) or "", known)
    if noted is not None:
        return "".join(noted.get("set", ()))
    return (
        tls_files.digest(tls_files.there(folder, None).texts)
        if process.older(folder / tls_files.CURRENT, known)
        else None
    )
