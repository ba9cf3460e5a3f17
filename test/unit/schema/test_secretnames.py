"""What counts as a secret by its name, and what a text may show of it."""

from __future__ import annotations

import pytest

from hamysql.schema import secretnames


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *((name, True) for name in ("password", "passwd", "pass", "admin_pass", "OCF_password", "passphrase")),
        *((name, True) for name in ("community", "snmp_priv_passwd", "snmp-priv-passwd", "token", "access_token")),
        *((name, True) for name in ("api_key", "apikey", "secret_key", "private_key", "secret", "credentials")),
        *((name, False) for name in ("password_script", "passwd_script", "snmp_priv_passwd_script", "secret_file")),
        *(
            (name, False)
            for name in ("username", "ip", "bypass", "compass", "key_file", "tokens_max", "lanplus", "port")
        ),
    ],
)
def test_an_agents_options(name, secret):
    assert secretnames.is_secret(name) is secret


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *((name, True) for name in ("password", "report-password", "wsrep_sst_auth", "ssl_passphrase", "x_SECRET")),
        *((name, True) for name in ("hashicorp_key_management_token", "loose-file_key_management_filekey")),
        *((name, False) for name in ("default_password_lifetime", "validate_password_length", "max_connections")),
        *((name, False) for name in ("disconnect-on-expired-password", "strict_password_validation", "old_passwords")),
    ],
)
def test_a_databases_options(name, secret):
    assert secretnames.is_databases_secret(name) is secret


@pytest.mark.parametrize(
    "shown",
    [
        "primitive p_f stonith:fence_x params ip=192.0.2.1 {}=%s op monitor interval=30s",
        'params ip=1 {}="%s" username=x',
        "params ip=1 {}='%s' username=x",
        'ERROR: <nvpair name="{}" value="%s" id="a"/> is not valid',
        'ERROR: <nvpair id="a" value="%s" name="{}"/> is not valid',
    ],
)
@pytest.mark.parametrize(
    "name", ["password", "community", "token", "api_key", "apikey", "snmp_priv_passwd", "admin_pass"]
)
def test_a_text_shows_all_but_the_secret(shown, name):
    given = shown.format(name) % "canary"
    assert secretnames.hide(given).replace('"', "") == (shown.format(name) % secretnames.HIDDEN).replace(
        '"', ""
    ).replace("'", "")


@pytest.mark.parametrize(
    "text", ["ERROR: 3: syntax: unexpected token 'x' near params ip=1", "password_script=/x is missing"]
)
def test_a_text_without_a_secret_keeps_its_words(text):
    assert secretnames.hide(text).startswith(text.split("=")[0])
