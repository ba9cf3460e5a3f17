"""Every path of the pillar is one of the formula's own, never one that the system or another package owns."""

from __future__ import annotations

import pytest

from hamysql.config import places, resolution
from hamysql.config.rules import schema
from hamysql.errors import ConfigError
from hamysql.schema.language import Names, Report, Section, Value, check
from hamysql.schema.values import PATH
from support import PILLARS, load_pillar, parameters

# Folders of the system, of packages, of root and of users.
FOREIGN = [
    *("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/lost+found", "/media", "/mnt", "/opt", "/proc", "/root", "/run"),
    *("/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/snap", "/nix", "/efi", "/dev/shm", "/var/cache", "/var/lib", "/var/lock"),
    *("/var/log", "/var/mail", "/var/opt", "/var/run", "/var/spool", "/var/tmp", "/var/www", "/var/backups", "/etc/mysql", "/etc/ssh"),
    *("/var/lib/hamysql", "/var/lib/dpkg", "/var/lib/pacemaker", "/var/lib/corosync", "/var/lib/mysql-files", "/var/lib/mysql-keyring"),
    *("/var/lib/mysql-upgrade", "/var/lib/mysqlrouter", "/var/lib/automysqlbackup", "/var/lib/phpmyadmin", "/var/lib/dhcp", "/var/lib/nfs"),
    *("/var/log/journal", "/var/log/pacemaker", "/var/log/corosync", "/var/log/apt", "/var/log/audit", "/run/lock", "/run/user", "/run/systemd"),
    *("/run/hamysql", "/run/hamysql-export", "/run/resource-agents", "/srv/salt", "/srv/pillar", "/srv/salt/x", "/home/me", "/home/me/mysql"),
    *("/root/mysql", "/tmp/mysql", "/usr/share/mysql", "/usr/lib/mysql", "/opt/mysql", "/proc/1", "/sys/fs", "/dev/mysql", "/boot/mysql"),
    *("/var/lib/mysql/lost+found", "/srv/mysql/lost+found", "/mysqldump", "/database-of-mine", "/srv/-x", "/srv/.x", "/etc/mysql/x.cnf"),
]  # fmt: skip
FOLDERS = ["datadir", "error_log", "socket", "pid_file"]


def found(resolve, section, key, value, **others):
    pillar = load_pillar("minimal")
    place = pillar.setdefault(section, {})
    place.update({key: value, **others})
    try:
        resolve(pillar)
    except ConfigError as exc:
        return [problem.path for problem in exc.problems]
    return []


@pytest.mark.parametrize("folder", FOREIGN)
@pytest.mark.parametrize("key", FOLDERS)
def test_no_folder_of_anybody_else_is_mounted_on_or_given_away(resolve, key, folder):
    value = folder if key == "datadir" else f"{folder.rstrip('/')}/x"
    assert f"hamysql:mysql:{key}" in found(resolve, "mysql", key, value)


@pytest.mark.parametrize("folder", [*FOREIGN, "/var/log/mysql", "/srv/x"])
def test_corosync_logs_into_no_folder_of_anybody_else(resolve, folder):
    paths = found(resolve, "corosync", "logfile", f"{folder.rstrip('/')}/x.log")
    assert paths == ([] if folder in ("/var/log/corosync", "/var/log") else ["hamysql:corosync:logfile"])


@pytest.mark.parametrize(
    "name", ["auth.log", "kern.log", "dpkg.log", "syslog", "messages", "wtmp", "mysql.log", "pacemaker.log", ".log"]
)
def test_corosync_logs_into_no_file_of_anybody_else(resolve, name):
    assert found(resolve, "corosync", "logfile", f"/var/log/{name}") == ["hamysql:corosync:logfile"]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        *(("mysql", "datadir", path) for path in ("/var/lib/mysql", "/var/lib/mariadb/data", "/var/lib/mysql-galaxy", "/srv/mysql/galaxy")),
        *(("mysql", "datadir", path) for path in ("/mnt/db", "/data", "/data/mysql", "/u01/mysql", "/mysql", "/srv/galaxy-db")),
        *(("mysql", "error_log", path) for path in ("/var/log/mysql/error.log", "/var/log/mariadb/mariadb.log", "/srv/mysql-log/e.log")),
        *(("mysql", "error_log", path) for path in ("/var/log/mysqld/x", "/data/log/mysql.err")),
        *(("mysql", "socket", path) for path in ("/run/mysqld/mysqld.sock", "/var/run/mysqld/x.sock", "/var/lib/mysql/mysql.sock")),
        *(("mysql", "pid_file", path) for path in ("/run/mysqld/mysqld.pid", "/run/mariadb/mariadb.pid", "/var/run/mysqld/x.pid")),
        *(("mysql", "config_fragment", path) for path in ("/etc/mysql/conf.d/ha.cnf", "/etc/my.cnf.d/zz-hamysql.cnf", "/etc/mysql/x.cnf")),
        *(("mysql", "config_file", path) for path in ("/etc/my.cnf", "/etc/mysql/my.cnf")),
        *(("mysql", "binary", path) for path in ("/usr/sbin/mariadbd", "/usr/libexec/mariadbd", "/opt/mariadb/bin/mariadbd")),
        *(("corosync", "logfile", path) for path in ("/var/log/corosync/x", "/var/log/cluster/c.log", "/var/log/corosync.log")),
    ],
)  # fmt: skip
def test_what_sites_use_is_allowed(resolve, section, key, value):
    assert found(resolve, section, key, value) == []


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        *(("mysql", "config_fragment", path) for path in ("/etc/passwd", "/etc/mysql/my", "/etc/cron.d/x.cnf", "/var/lib/mysql/x.cnf")),
        *(("mysql", "config_file", path) for path in ("/etc/shadow", "/var/lib/mysql/my.cnf", "/tmp/my.cnf", "/home/me/my.cnf")),
        *(("mysql", key, path) for key in ("binary", "client", "admin", "install_db") for path in ("/tmp/x", "/var/lib/mysql/x", "/srv/x", "/home/me/x")),
        *(("fencing", "sbd", {"config_file": path}) for path in ("/etc/default/grub", "/etc/passwd", "/tmp/sbd")),
        *(("repo", "repositories", {"x": {"name": "deb file:/x ./", "file": path}}) for path in ("/etc/passwd", "/etc/apt/apt.conf.d/x", "/tmp/x.list")),
    ],
)  # fmt: skip
def test_no_file_of_anybody_else_is_written_and_no_program_of_theirs_run(resolve, section, key, value):
    assert any(path.startswith(f"hamysql:{section}:{key}") for path in found(resolve, section, key, value))


@pytest.mark.parametrize(
    "paths",
    [
        {"error_log": "/var/lib/mysql/error.log"},
        {"datadir": "/data", "error_log": "/data/log/x.log"},
        {"datadir": "/srv/mysql/data", "error_log": "/srv/mysql/x.log"},
        {"datadir": "/srv/mysql", "error_log": "/srv/mysql/x.log"},
        {"pid_file": "/var/lib/mysql/x.pid"},
        {"datadir": "/srv/galaxy", "socket": "/srv/galaxy/run/x.sock"},
    ],
)
def test_what_is_given_away_is_in_nothing_else_that_is(resolve, paths):
    assert [path for key, value in paths.items() for path in found(resolve, "mysql", key, value, **paths)]


@pytest.mark.parametrize(
    "paths", [{"datadir": "/srv/galaxy", "socket": "/srv/galaxy/x.sock"}, {"pid_file": "/run/mysqld/x"}]
)
def test_the_socket_may_be_in_the_datadir_or_beside_the_pid_file(resolve, paths):
    assert found(resolve, "mysql", *next(iter(paths.items())), **paths) == []


def test_every_path_of_the_pillar_has_its_rule():
    assert {*_paths(schema(), ())} == {*places.RULES, "repo:repositories:*:file"}


def _paths(node, above):
    if isinstance(node, Section):
        for key, item in node.keys.items():
            yield from _paths(item, (*above, key))
    elif isinstance(node, Names):
        yield from _paths(node.item, (*above, "*"))
    elif isinstance(node, Value) and node is PATH:
        yield ":".join(above)


@pytest.mark.parametrize("family", ["Debian", "RedHat", "Suse"])
@pytest.mark.parametrize("name", PILLARS)
def test_the_formulas_own_places_are_allowed(name, family):
    # Some pillars are refused for want of DRBD's packages there; that is not the question.
    report = Report()
    merged = resolution.layered(parameters(family), load_pillar(name))
    assert list(places.problems(check(schema(), merged, "hamysql", report))) == []


def test_a_refusal_says_what_is_allowed(resolve):
    pillar = load_pillar("minimal")
    pillar["mysql"] = {"error_log": "/var/log/mysqld.log"}
    with pytest.raises(
        ConfigError,
        match=r"hamysql:mysql:error_log: found '/var/log/mysqld.log', expected a file in a folder of its own",
    ):
        resolve(pillar)


@pytest.mark.parametrize("rule", [*places.RULES.values(), places.REPOSITORY])
@pytest.mark.parametrize(
    "path", ["/srv" + "/a" * 250 + "!", "/etc/mysql" + "/a.cnf" * 99 + "/", "/var/lib/mysql" + "-." * 250 + "!"]
)
def test_no_rule_takes_for_ever_to_say_no(rule, path):
    assert not rule.found(path)
