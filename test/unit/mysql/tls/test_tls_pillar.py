"""What the pillar may say of TLS: what is no certificate or key is refused in words that show nothing of it."""

from __future__ import annotations

import json

import certificates
import pytest

from hamysql.errors import ConfigError
from hamysql.mysql.tls import pem
from hamysql.schema.language import MASK, redacted

PATH = "hamysql:mysql:tls"
PAIR = certificates.pair()
CHAIN, CHAIN_KEY = certificates.intermediate()


@pytest.fixture
def site(resolve, pillar):
    """Resolve a pillar with these values of ``mysql:tls``, and options of the server."""

    def call(said, **options):
        given = pillar("minimal")
        given["mysql"] = {"tls": said, "config": {"mysqld": options}}
        return resolve(given)

    return call


def refused(site, said, **options):
    with pytest.raises(ConfigError) as caught:
        site(said, **options)
    for secret in (PAIR["key"], CHAIN_KEY):
        assert not [line for line in secret.splitlines()[1:-1] if line in str(caught.value)]
    return {problem.path: (problem.found, problem.expected) for problem in caught.value.problems}


NOTHING = [None, {}, {"cert": "", "key": "", "ca": ""}, {"required": False}, {"cert": None, "required": None}]


@pytest.mark.parametrize("said", NOTHING)
def test_without_a_certificate_nothing_is_set_up(site, resolve, pillar, said):
    found, plain = site(said), resolve(pillar("minimal"))
    assert found == plain
    assert found["mysql"]["tls"] == {"cert": None, "key": None, "ca": None, "required": False, "enabled": False}
    assert "openssl" not in found["package"]["names"]
    assert not [line for line in found["mysql"]["option_lines"]["mysqld"] if "ssl" in line or "secure" in line]


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("names", [("cert", "key"), ("cert", "key", "ca")])
def test_the_server_has_options_for_the_files_that_there_are(site, names, required):
    found = site({**{name: PAIR[name] for name in names}, "required": required})
    lines = found["mysql"]["option_lines"]["mysqld"]
    expected = [f"ssl_{name} = /etc/hamysql/tls/current/{name}.pem" for name in names]
    assert [line for line in lines if "ssl" in line] == expected
    assert ("require_secure_transport = ON" in lines) is required
    assert "openssl" in found["package"]["names"]


def test_the_key_is_a_secret_and_the_certificate_is_none(site):
    found = site(PAIR)["mysql"]["tls"]
    assert redacted(found)["key"] == MASK
    assert repr(found["key"]) == repr(MASK)
    assert redacted(found)["cert"] == PAIR["cert"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.strip(),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"Bag Attributes: x\n\n{text}\n\n",
        lambda text: "".join(f"  {line}  \n" for line in text.splitlines()),
    ],
)
def test_the_same_text_however_it_was_pasted(site, change):
    found = site({name: change(text) for name, text in PAIR.items()})["mysql"]["tls"]
    assert {name: str(found[name]) for name in PAIR} == PAIR


def test_keys_of_every_usual_form_are_read(site):
    rsa = certificates.pair("rsa", kind=("-newkey", "rsa:2048", "-nodes"))
    forms = [
        (PAIR["cert"], certificates.openssl("ec", stdin=PAIR["key"])),
        (PAIR["cert"], certificates.openssl("ecparam", "-name", "prime256v1") + PAIR["key"]),
        (rsa["cert"], rsa["key"]),
        (rsa["cert"], certificates.openssl("rsa", "-traditional", stdin=rsa["key"])),
    ]
    assert {form[1].splitlines()[0] for form in forms} >= {
        "-----BEGIN EC PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----",
    }
    for cert, key in forms:
        found = site({"cert": cert, "key": key})["mysql"]["tls"]["key"]
        assert certificates.openssl("pkey", "-pubout", stdin=found) == certificates.openssl(
            "x509", "-noout", "-pubkey", stdin=cert
        )
        assert len(pem.parse(found)) == 1


def test_a_chain_stays_in_its_order(site):
    assert site({"cert": CHAIN, "key": CHAIN_KEY})["mysql"]["tls"]["cert"] == CHAIN


MIDDLE = PAIR["cert"].splitlines()
WRONG = [
    ({"cert": PAIR["key"], "key": PAIR["key"]}, "cert", "a private key", "Every local user"),
    ({"cert": PAIR["cert"] + PAIR["key"], "key": PAIR["key"]}, "cert", "a certificate and a private key", "in PEM"),
    ({"cert": PAIR["cert"], "key": PAIR["cert"]}, "key", "a certificate", "private key in PEM"),
    ({"cert": PAIR["cert"], "key": PAIR["key"] * 2}, "key", "a private key", "the certificate's private key"),
    ({**PAIR, "ca": PAIR["key"]}, "ca", "a private key", "who sign"),
    ({**PAIR, "key": certificates.encrypted(PAIR["key"])}, "key", "an encrypted private key", "without a passphrase"),
    ({**PAIR, "key": certificates.encrypted(certificates.openssl("ec", stdin=PAIR["key"]), old=True)},
     "key", "an encrypted private key", "without a passphrase"),
    ({**PAIR, "key": PAIR["key"].replace("PRIVATE", "OPENSSH PRIVATE")}, "key", "another kind (OPENSSH PRIVATE KEY)", "private key in PEM"),
    ({**PAIR, "key": PAIR["key"].replace("PRIVATE", "CANARY")}, "key", "PEM of another kind", "private key in PEM"),
    ({**PAIR, "cert": "/etc/ssl/db.pem"}, "cert", "a text of 15 characters without PEM", "in PEM"),
    ({**PAIR, "cert": " ".join(MIDDLE)}, "cert", "PEM whose lines are run together", "`cert: |`"),
    ({**PAIR, "cert": "\n".join(MIDDLE[:-1])}, "cert", "a PEM block without its end", "in PEM"),
    ({**PAIR, "cert": "\n".join([*MIDDLE[:2], *MIDDLE[3:]])}, "cert", "cut off", "in PEM"),
    ({**PAIR, "cert": "\n".join([MIDDLE[0], "%", *MIDDLE[1:]])}, "cert", "no base64", "in PEM"),
    ({**PAIR, "cert": "\n".join(MIDDLE[:-1]) + "\n" + PAIR["cert"]}, "cert", "does not end before", "in PEM"),
    ({**PAIR, "cert": "\N{LATIN SMALL LETTER E WITH ACUTE}" + PAIR["cert"]}, "cert", "not ASCII", "in PEM"),
    ({**PAIR, "cert": "x" * 70_000}, "cert", "more than 65536 characters", "in PEM"),
    ({**PAIR, "cert": 5}, "cert", "a number", "certificates in PEM"),
    ({**PAIR, "key": [PAIR["key"]]}, "key", "a list of 1 item", "a private key in PEM"),
    ({"cert": PAIR["cert"]}, "key", "nothing, beside hamysql:mysql:tls:cert", "private key"),
    ({"key": PAIR["key"]}, "cert", "nothing, beside hamysql:mysql:tls:key", "certificate"),
    ({"ca": PAIR["ca"]}, "ca", "without a certificate", "or none of them"),
    ({"required": True}, "required", "no certificate", "no client could connect"),
    ({**PAIR, "required": "yes"}, "required", "'yes'", "true or false"),
    ({**PAIR, "certs": "x"}, "certs", "an unknown key", "'cert'"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "key", "found", "expected"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told_by_its_path_and_without_its_text(site, said, key, found, expected):
    told = refused(site, said)[f"{PATH}:{key}"]
    assert found in told[0]
    assert expected in told[1]


def test_everything_that_is_wrong_is_told_at_once(site):
    told = refused(site, {"cert": PAIR["key"], "key": PAIR["cert"], "ca": "x"}, ssl_key="/etc/x")
    assert list(told) == ["hamysql:mysql:config:mysqld:ssl_key", f"{PATH}:ca", f"{PATH}:cert", f"{PATH}:key"]


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("ssl_cert", "/etc/x", "set hamysql:mysql:tls:cert"),
        ("ssl-key", "/etc/x", "set hamysql:mysql:tls:key"),
        ("loose-ssl_ca", "/etc/x", "set hamysql:mysql:tls:ca"),
        ("SSL_CERT", "/etc/x", "set hamysql:mysql:tls:cert"),
        ("require_secure_transport", True, "set hamysql:mysql:tls:required"),
        ("loose-skip-require-secure-transport", None, "set hamysql:mysql:tls:required"),
        ("require-sec", "OFF", "set hamysql:mysql:tls:required"),
        ("skip-ssl", None, "sets up TLS"),
        ("ssl", 0, "sets up TLS"),
        ("loose-disable-ssl", None, "sets up TLS"),
    ],
)
def test_an_option_that_says_the_same_elsewhere_is_refused(site, name, value, key):
    assert key in refused(site, PAIR, **{name: value})[f"hamysql:mysql:config:mysqld:{name}"][1]
    site(None, **{name: value})  # without hamysql:mysql:tls it is the site's own business


def test_other_options_of_tls_are_the_sites(site):
    found = site(PAIR, tls_version="TLSv1.3", ssl_cipher="TLS_AES_256_GCM_SHA384", ssl=True, ssl_crl="/etc/x.pem")
    assert "tls_version = TLSv1.3" in found["mysql"]["option_lines"]["mysqld"]


def test_settings_hold_no_key(site):
    shown = json.dumps(redacted(site({**PAIR, "required": True})))
    assert json.dumps(PAIR["key"])[1:-1] not in shown
    assert "PRIVATE KEY" not in shown
