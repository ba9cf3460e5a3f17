"""TLS of the database's clients in a cluster that serves: turned on, renewed, demanded, and with the service on the other node."""

from __future__ import annotations

import re
import subprocess

import certificates
import pytest
from cluster import refresh_pillar

from lab import api

pytestmark = pytest.mark.long

VIP = "10.77.1.100"
SERVER = "cat /run/mysqld/mysqld.pid"
SET = "/etc/hamysql/tls/current"


@pytest.fixture
def site(cluster, pillar):
    """A way to deploy the lab's pillar with some ``mysql:tls``; without it again at the end."""

    def serve(tls):
        pillar(lambda site: site["mysql"].update(tls=tls) if tls else site["mysql"].pop("tls", None))
        refresh_pillar(cluster.lab)

    yield serve
    serve({})
    api.deploy(cluster.lab, cluster.progress)


def presented(lab):
    """The serial number of the certificate that a client of the virtual IP is shown; nothing where the server has no TLS."""
    words = ["openssl", "s_client", "-connect", f"{VIP}:3306", "-starttls", "mysql"]
    seen = subprocess.run(lab.in_namespace(*words), input="", capture_output=True, text=True, timeout=30, check=False)
    return serial(seen.stdout) if "BEGIN CERTIFICATE" in seen.stdout else ""


def serial(text):
    return certificates.openssl("x509", "-noout", "-serial", stdin=text).strip()


def plain(lab):
    """What a client gets that asks for no TLS, over the network."""
    words = [
        "mariadb",
        "--no-defaults",
        f"--host={VIP}",
        "--user=probe",
        "--skip-ssl",
        "--password=wrong",
        "--execute=SELECT 1",
    ]
    done = subprocess.run(lab.in_namespace(*words), capture_output=True, text=True, timeout=30, check=False)
    return re.sub(r"\s+", " ", done.stderr)


def test_certificates_are_turned_on_renewed_demanded_and_go_with_the_service(cluster, site, figures):
    lab = cluster.lab
    first, second = certificates.pair("first"), certificates.pair("second")
    assert presented(lab) == ""
    site(first)
    outcome = cluster.probed(lambda: api.deploy(lab, cluster.progress))
    figures.append(f"TLS turned on: gap {outcome.longest_gap_seconds:.1f} s")
    assert presented(lab) == serial(first["cert"])

    active, standby = cluster.active, cluster.standby
    server = api.ssh(lab, active, SERVER)
    site(second)
    outcome = cluster.probed(lambda: cluster.highstate("*"))
    figures.append(f"TLS renewed by a highstate: gap {outcome.longest_gap_seconds:.1f} s")
    assert presented(lab) == serial(second["cert"])
    assert api.ssh(lab, active, SERVER) == server, "the server was restarted"

    site({**second, "required": True})
    cluster.highstate("*")
    assert "Access denied" in plain(lab) or "insecure transport" in plain(lab), plain(lab)
    assert api.ssh(lab, active, SERVER) == server, "the server was restarted"
    key = api.ssh(lab, active, f"stat --dereference --format='%a %U %G' {SET}/key.pem || ls -la {SET}/")
    assert key.strip() == "640 root mysql"
    # The agent and the formula itself come by the socket, which counts as safe.
    assert cluster.highstate("*") == {"db1": {}, "db2": {}}
    assert api.salt_json(lab, active, "hamysql_cib.move", standby) == {active: True}
    assert cluster.active == standby
    assert presented(lab) == serial(second["cert"])


def test_a_key_of_another_certificate_changes_nothing(cluster, site):
    lab = cluster.lab
    good, other = certificates.pair("good"), certificates.pair("other")
    site(good)
    api.deploy(lab, cluster.progress)
    before = api.ssh(lab, cluster.standby, f"sha256sum {SET}/*")
    site({**good, "key": other["key"]})
    with pytest.raises(api.LabError, match="does not belong to CN=good"):
        api.deploy(lab, cluster.progress)
    assert api.ssh(lab, cluster.standby, f"sha256sum {SET}/*") == before
    assert presented(lab) == serial(good["cert"])
