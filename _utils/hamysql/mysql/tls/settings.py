"""What the pillar may say of the database clients' TLS (``mysql:tls``), as far as the texts themselves tell.

Whether the key belongs to the certificate, and until when that is valid, is judged on the node: see :mod:`hamysql.mysql.tls.files`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hamysql.mysql.tls import files as tls_files
from hamysql.mysql.tls import pem
from hamysql.schema import values as v
from hamysql.schema.language import Report, Secret, Section, Value
from hamysql.schema.values import Config

# Certificates are no secrets, but what is given for one may be a key: nothing that is wrong with them shows a word of them.
TLS = Section(
    {
        "cert": Value("a text, certificates in PEM", v.any_text, secret=True),
        "key": Value("a text, a private key in PEM", v.any_text, secret=True),
        "ca": Value("a text, certificates in PEM", v.any_text, secret=True),
        "required": v.BOOLEAN,
    }
)


PATH = tls_files.PATH

_BLOCK = "as a block of YAML, each line on its own"
EXPECTED = {
    "cert": f"one certificate or more in PEM, the server's own first ({_BLOCK}: `cert: |`). Every local user can read that file",
    "key": f"the certificate's private key in PEM, without a passphrase ({_BLOCK}: `key: |`)",
    "ca": f"one certificate or more in PEM, of those who sign ({_BLOCK}: `ca: |`). Every local user can read that file",
}


def given(config: Config) -> bool:
    """Whether the pillar says anything of TLS; what is empty says nothing."""
    return any(config["mysql"]["tls"].values())


def check_tls(config: Config, report: Report) -> None:
    """Each text is what it has to be, and what belongs together is there."""
    said = config["mysql"]["tls"]
    if report.bad_under(PATH):
        return
    for name in tls_files.FILES:
        if said[name]:
            _check_text(name, said[name], report)
    for name, other in (("cert", "key"), ("key", "cert")):
        if said[name] and not said[other]:
            report.add(f"{PATH}:{other}", f"nothing, beside {PATH}:{name}", EXPECTED[other])
    if not said["cert"] and not said["key"]:
        if said["ca"]:
            report.add(
                f"{PATH}:ca", f"{PATH}:ca without a certificate", f"{PATH}:cert and key as well, or none of them"
            )
        if said["required"]:
            found = "true, and no certificate"
            report.add(f"{PATH}:required", found, f"{PATH}:cert and key as well: without TLS no client could connect")


def _check_text(name: str, text: str, report: Report) -> None:
    path = f"{PATH}:{name}"
    try:
        blocks = pem.parse(text)
    except pem.Defect as exc:
        report.add(path, str(exc), EXPECTED[name])
        return
    good = _is_key(blocks) if name == "key" else all(block.label == pem.CERTIFICATE for block in blocks)
    if not good:
        report.add(path, _listed(blocks), EXPECTED[name])


def _is_key(blocks: Sequence[pem.Block]) -> bool:
    keys = _without_parameters(blocks)
    return len(keys) == 1 and keys[0].label in pem.KEYS and not keys[0].encrypted


def _without_parameters(blocks: Sequence[pem.Block]) -> list[pem.Block]:
    return [block for block in blocks if block.label not in pem.PARAMETERS]


def _listed(blocks: Sequence[pem.Block]) -> str:
    names = list(dict.fromkeys(block.name for block in blocks))
    return f"{len(blocks)} certificates" if len(blocks) > 1 and names == ["a certificate"] else " and ".join(names)


def derive(config: Config) -> dict[str, str]:
    """Have the texts as they are laid down in the configuration; returns the server's options for them, none without TLS."""
    said = config["mysql"]["tls"]
    texts = {
        name: pem.export(_without_parameters(pem.parse(said[name]))) if said[name] else None for name in tls_files.FILES
    }
    key = texts["key"]
    config["mysql"]["tls"] = {
        **texts,
        "key": None if key is None else Secret(key),
        "required": said["required"] is True,
        "enabled": texts["cert"] is not None,
    }
    return tls_files.options([name for name in tls_files.FILES if texts[name]], said["required"] is True)
