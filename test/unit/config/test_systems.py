"""Operating systems are data: which files a machine has, and what they come to on each system. A new system is a row here."""

from __future__ import annotations

import pytest
from salt_node import SYSTEMS

from hamysql.config import resolution, systems
from support import PARAMETERS, load_pillar, parameters


def grains(system):
    return {**SYSTEMS[system], "osmajorrelease": int(SYSTEMS[system]["osrelease"].split(".")[0])}


@pytest.mark.parametrize(
    ("system", "files"),
    [
        ("debian12", ["os_family/Debian.yaml"]),
        ("ubuntu2404", ["os_family/Debian.yaml", "os/Ubuntu.yaml"]),
        ("el8", ["os_family/RedHat.yaml", "release/RedHat-8.yaml"]),
        ("el10", ["os_family/RedHat.yaml", "release/RedHat-10.yaml"]),
        ("sles15", ["os_family/Suse.yaml", "release/Suse-15.yaml"]),
        ("centos6", ["os_family/RedHat.yaml", "release/RedHat-6.yaml"]),
    ],
)
def test_a_machine_has_the_files_of_its_family_its_distribution_and_its_release_in_this_order(system, files):
    found = [file for file in systems.files(grains(system)) if (PARAMETERS / file).exists()]
    assert found == ["defaults.yaml", *files]


def test_a_release_of_the_distribution_comes_after_that_of_its_family():
    found = systems.files({"os_family": "RedHat", "os": "CentOS", "osmajorrelease": 6})
    assert tuple(found)[-3:] == ("os/CentOS.yaml", "release/RedHat-6.yaml", "release/CentOS-6.yaml")


def test_each_file_is_some_systems():
    there = {str(path.relative_to(PARAMETERS)) for path in PARAMETERS.rglob("*.yaml")}
    assert there <= {file for system in SYSTEMS for file in systems.files(grains(system))}


def site(system, flavor="mariadb"):
    given = load_pillar("minimal")
    given.setdefault("mysql", {})["flavor"] = flavor
    given["corosync"] = {"authkey": "k" * 128}
    if system == "centos6":
        given["corosync"]["mcastaddr"] = "239.192.10.1"
    known = grains(system)
    return resolution.layered(parameters(known["os_family"], known["os"], known["osmajorrelease"]), given)


# What differs: system, database, its stream, DRBD, iptables, corosync and its transport.
ROWS = [
    ("debian12", "mariadb-server", [], "drbd-utils", "iptables", 3, "knet"),
    ("debian13", "mariadb-server", [], "drbd-utils", "iptables", 3, "knet"),
    ("ubuntu2204", "mariadb-server", [], "drbd-utils", "iptables", 3, "knet"),
    ("ubuntu2404", "mariadb-server", [], "drbd-utils", "iptables", 3, "knet"),
    ("el8", "mariadb-server", ["mariadb:10.11"], "drbd90-utils", "iptables", 3, "knet"),
    ("el9", "mariadb-server", [], "drbd9x-utils", "iptables-nft", 3, "knet"),
    ("el10", "mariadb-server", [], "drbd9x-utils", "iptables-nft", 3, "knet"),
    ("sles15", "mariadb", [], "drbd", "iptables", 2, "udpu"),
    ("sles16", "mariadb", [], None, "iptables", 3, "knet"),
    ("centos6", "mysql-server", [], "drbd84-utils", "iptables", 1, "udp"),
]


@pytest.mark.parametrize(("system", "database", "streams", "drbd", "iptables", "series", "transport"), ROWS)
def test_what_a_system_comes_to(system, database, streams, drbd, iptables, series, transport):
    found = site(system)
    package, corosync = found["package"], found["corosync"]
    assert (package["database"][0], package.get("streams", [])) == (database, streams)
    assert (package["drbd"] or [None])[0] == drbd
    assert package["firewall"]["iptables"] == [iptables]
    assert (corosync["series"], corosync["transport"]) == (series, transport)
    assert resolution.resolve(found, minion_id="db1", nodename="db1")["corosync"]["text"]


def test_every_system_has_its_row():
    assert {row[0] for row in ROWS} == set(SYSTEMS)


@pytest.mark.parametrize(
    ("system", "database", "streams"),
    [
        ("ubuntu2204", ["mysql-server-8.0", "mysql-client-8.0"], []),
        ("ubuntu2404", ["mysql-server-8.0", "mysql-client-8.0"], []),
        ("el8", ["mysql-server", "mysql"], ["mysql:8.0"]),
        ("el9", ["mysql-server", "mysql"], []),
        ("el10", ["mysql8.4-server", "mysql8.4"], []),
    ],
)
def test_mysql_of_oracle_is_data_as_well(system, database, streams):
    package = site(system, "mysql")["package"]
    assert (package["database"], package.get("streams", [])) == (database, streams)


def test_drbd_8_4_on_enterprise_linux_is_a_line_of_the_pillar(resolve):
    given = load_pillar("minimal")
    given["package"] = {"drbd": ["drbd84-utils", "kmod-drbd84"]}
    names = resolve(given, family="RedHat")["package"]["names"]
    assert {"drbd84-utils", "kmod-drbd84"} <= set(names)
    assert not {"drbd9x-utils", "kmod-drbd9x"} & set(names)


def test_what_holds_packages_is_installed_where_they_are_held(resolve):
    given = load_pillar("minimal")
    assert "python3-dnf-plugin-versionlock" not in resolve(given, family="RedHat")["package"]["names"]
    given["package"] = {"hold": True}
    assert resolve(given, family="RedHat")["package"]["names"][-1] == "python3-dnf-plugin-versionlock"


def test_knet_is_refused_where_corosync_has_none():
    given = load_pillar("minimal")
    given["corosync"] = {"authkey": "k" * 128, "transport": "knet"}
    merged = resolution.layered(parameters("Suse", "SUSE", 15), given)
    with pytest.raises(Exception, match="'udpu' or 'udp': knet came with corosync 3"):
        resolution.resolve(merged, minion_id="db1", nodename="db1")


def test_corosync_2_has_two_rings_that_are_encrypted():
    given = load_pillar("fenced")
    merged = resolution.layered(parameters("Suse", "SUSE", 15), given)
    text = resolution.resolve(merged, minion_id="db1", nodename="db1")["corosync"]["text"]
    words = [" ".join(line.split()) for line in text.splitlines()]
    for line in ("transport: udpu", "crypto_cipher: aes256", "rrp_mode: passive", "ringnumber: 1", "two_node: 1"):
        assert line in words
    assert "linknumber: 1" not in words


@pytest.mark.parametrize("series", [2, 3])
def test_an_init_script_is_no_agent_where_there_are_others(resolve, series):
    given = load_pillar("minimal")
    given["mysql"] = {"agent": "lsb:mysqld"}
    given.setdefault("corosync", {}).update(series=series, transport="udpu")
    with pytest.raises(Exception, match="hamysql:mysql:agent: found 'lsb:mysqld'"):
        resolve(given)
