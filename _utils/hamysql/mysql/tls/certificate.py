"""Whether a certificate, its key and the authorities are fit for a server, judged by openssl on the node. The files come later.

What the texts themselves tell, the pillar's rules have judged before (:mod:`hamysql.mysql.tls.settings`).
"""

from __future__ import annotations

import re
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from hamysql.errors import CommandFailed, Problem
from hamysql.mysql.tls import pem
from hamysql.mysql.tls.files import OPENSSL, PATH, Texts
from hamysql.system.command import Run

MISSING = 127  # how a program ends that is not there
SKEW = 60  # seconds by which the clock of whoever signs may be ahead
SOON = 30 * 86400  # seconds before the end of a certificate from which on each run warns


@dataclass(frozen=True)
class Verdict:
    """What forbids a set, and what is only to be told."""

    refused: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Certificate:
    """What people and clocks want to know of a certificate: subject, and the seconds since 1970 of its first and last moment."""

    subject: str
    begin: float
    end: float
    public: str = field(repr=False, default="")

    def __str__(self) -> str:
        return f"{self.subject}, valid until {_day(self.end)}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def read(run: Run, certificate: str) -> Certificate:
    """A certificate, by openssl; raises ``CommandFailed``."""
    argv = [OPENSSL, "x509", "-noout", "-subject", "-nameopt", "RFC2253", "-startdate", "-enddate", "-pubkey"]
    said = run(argv, stdin=certificate).stdout
    found = dict(line.split("=", 1) for line in said.splitlines() if re.match(r"(subject|notBefore|notAfter)=", line))
    subject = found.get("subject", "").strip()
    return Certificate(
        subject if len(subject) <= 100 else f"{subject[:97]}...",
        ssl.cert_time_to_seconds(found["notBefore"]),
        ssl.cert_time_to_seconds(found["notAfter"]),
        said[said.find("-----BEGIN ") :].strip(),
    )


def named(run: Run, certificate: str) -> str:
    """The same in words, whatever it is."""
    try:
        return str(read(run, certificate))
    except (CommandFailed, KeyError, ValueError):
        return "a certificate that openssl cannot read"


def judge(run: Run, wanted: Texts, new: bool, now: float) -> Verdict:
    """Whether a server could start with a set, and clients believe it. The key is given to openssl on its standard input.

    wanted
        A set with a certificate and a key.
    new
        Whether the set would replace another one: what is in service already and has expired since is not refused.
    now
        Seconds since 1970.
    """
    chain = [pem.export([block]) for block in pem.parse(wanted["cert"] or "")]
    refused: list[Problem] = []
    read_: list[Certificate] = []
    for number, one in enumerate(chain):
        try:
            read_.append(read(run, one))
        except (CommandFailed, KeyError, ValueError) as exc:
            if isinstance(exc, CommandFailed) and exc.returncode == MISSING:
                raise
            refused.append(Problem(f"{PATH}:cert", f"no certificate at place {number + 1}", "what openssl can read"))
    if refused:
        return Verdict(tuple(refused))
    if new:
        refused += _key(run, wanted["key"] or "", read_)
        refused += _signed(run, chain, wanted["ca"])
        refused += () if refused else _usable(run, wanted)
    dates: list[Problem] = []
    warnings: list[Problem] = []
    for certificate in read_:
        if certificate.begin > now + SKEW:
            found, late = f"a certificate that is valid from {_day(certificate.begin)} on: {certificate.subject}", True
        elif certificate.end <= now:
            found, late = f"a certificate that has expired at {_day(certificate.end)}: {certificate.subject}", True
        elif certificate.end <= now + SOON:
            found, late = f"a certificate that expires at {_day(certificate.end)}: {certificate.subject}", False
        else:
            continue
        problem = Problem(f"{PATH}:cert", found, "a certificate that is valid now, and for longer than 30 days")
        (dates if late and new else warnings).append(problem)
    return Verdict((*refused, *dates), tuple(warnings))


def _key(run: Run, key: str, chain: Sequence[Certificate]) -> Iterator[Problem]:
    path, expected = f"{PATH}:key", f"the key of the first certificate in {PATH}:cert"
    try:
        public = run([OPENSSL, "pkey", "-pubout"], stdin=key).stdout.strip()
    except CommandFailed:  # its words may be about what it has read
        yield Problem(path, "a key that openssl cannot read", expected)
        return
    places = [number for number, certificate in enumerate(chain, 1) if certificate.public == public]
    if not places:
        yield Problem(path, f"a key that does not belong to {chain[0].subject}", expected)
    elif places[0] != 1:
        yield Problem(
            path, f"the key of certificate {places[0]} of the chain", f"{expected}: the server's own comes first"
        )


def _signed(run: Run, chain: Sequence[str], ca: str | None) -> Iterator[Problem]:
    """Whether the authorities vouch for the server's certificate; openssl's own ones do not count. Dates are told apart."""
    if ca is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, text in (("cert", chain[0]), ("chain", "".join(chain)), ("ca", ca)):
            (place / name).write_text(text, encoding="ascii")
        argv = [OPENSSL, "verify", "-no_check_time", "-purpose", "sslserver", "-CAfile", f"{place}/ca"]
        nothing = {"SSL_CERT_DIR": folder, "SSL_CERT_FILE": f"{folder}/none"}
        done = run([*argv, "-untrusted", f"{place}/chain", f"{place}/cert"], accept=range(256), env=nothing)
    if done.returncode:
        said = re.findall(r"lookup: *(.+)", done.stdout + done.stderr)
        why = f" (openssl: {said[-1]})" if said else ""
        found = f"authorities that do not vouch for the certificate{why}"
        yield Problem(f"{PATH}:ca", found, f"the authority that has signed {PATH}:cert, up to its root")


_REFUSES = re.compile(r"error setting (?:certificate|private key)|(?:key|md) too (?:small|weak)")


def _usable(run: Run, wanted: Texts) -> Iterator[Problem]:
    """Whether this system's OpenSSL takes the set for a connection, as the server does: it refuses short keys, for example."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "cert").write_text(wanted["cert"] or "", encoding="ascii")
        argv = [OPENSSL, "s_client", "-cert", f"{place}/cert", "-key", "/dev/stdin", "-cert_chain", f"{place}/cert"]
        # There is nobody to connect to: it loads the files before.
        done = run([*argv, "-unix", f"{place}/nobody"], stdin=wanted["key"], accept=range(256))
    if _REFUSES.search(done.stderr):
        said = re.findall(r"SSL routines:[^:]*:([^:]+)", done.stderr)
        found = f"a certificate or key that OpenSSL does not use{f' ({said[0]})' if said else ''}"
        yield Problem(
            f"{PATH}:cert", found, "what a server can start with, such as EC P-256 or RSA of 2048 bits or more"
        )
