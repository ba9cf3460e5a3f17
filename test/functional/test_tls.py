"""TLS of the database's clients on a real MariaDB server: what it serves, how it is renewed, and what never reaches it."""

from __future__ import annotations

import grp
import logging
import os
import pwd
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import certificates
import pytest
from minion import load

from hamysql import pending as pending_changes
from hamysql.config import resolution
from hamysql.errors import CommandFailed, ConfigError, Refused
from hamysql.mysql import settings as mysql_settings
from hamysql.mysql.flavours import registry
from hamysql.mysql.tls import files as tls_files
from hamysql.system import command
from support import load_pillar, parameters

SERVER, INSTALL, CLIENT, ADMIN = (
    shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-admin")
)
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the files are root's, and the server is another account's"),
    pytest.mark.skipif(
        not (SERVER and INSTALL and CLIENT and ADMIN and shutil.which("openssl")),
        reason="mariadbd, mariadb-install-db, mariadb, mariadb-admin or openssl is missing",
    ),
]
USER = "nobody"
GROUP = grp.getgrgid(pwd.getpwnam(USER).pw_gid).gr_name
OLD, NEW = certificates.pair("old"), certificates.pair("new", days=300)


def is_free(port: int) -> bool:
    """Whether nobody has a port; of those that the kernel gives to nobody else while the server is stopped."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


class Site:
    """A node with a database server: what a highstate does about TLS there, by the product's own modules and states."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process, self.said = folder, None, {}
        self.port = next(port for port in range(20000 + os.getpid() % 10000, 32000) if is_free(port))
        self.tls = load("_modules/hamysql_tls.py", "tls_module")
        self.change = load("_modules/hamysql_change.py", "tls_change_module")
        self.mysql = load("_modules/hamysql_mysql.py", "tls_mysql_module")
        self.installed = load("_states/hamysql_tls.py", "tls_state")
        self.applied = load("_states/hamysql_change.py", "tls_change_state")
        self.change.RECORD, self.change.TLS_RECORD = folder / "run/mysqld.json", folder / "run/mysqld-tls.json"
        self.change._pending = lambda site: pending_changes.distinct(self.change._mysql(site["mysql"]))
        functions = {
            "hamysql.config": lambda **_: self.config,
            "hamysql_tls.judge": self.tls.judge,
            "hamysql_tls.pending": self.tls.pending,
            "hamysql_tls.install": self.tls.install,
            "hamysql_change.pending": self.change.pending,
            "hamysql_change.apply": self.change.apply,
        }
        for module in (self.tls, self.change, self.mysql, self.installed, self.applied):
            module.__salt__, module.__opts__ = functions, {"test": False}
        argv = [INSTALL, "--no-defaults", f"--user={USER}", f"--datadir={folder}/data", "--skip-test-db"]
        command.run([*argv, "--auth-root-authentication-method=socket"], timeout=120)
        (folder / "log").mkdir()
        for path in (folder / "log", folder / "data"):
            shutil.chown(path, USER, GROUP)

    @property
    def config(self) -> dict:
        """The resolved configuration, in places of the test's own."""
        given = load_pillar("minimal")
        given["mysql"] = {
            "tls": self.said,
            "user": USER,
            "group": GROUP,
            "config": {"mysqld": {"innodb_buffer_pool_size": "16M"}},
        }
        found = resolution.resolve(resolution.layered(parameters(), given), minion_id="db1", nodename="db1")
        own = {
            "bind-address": "127.0.0.1",
            "port": str(self.port),
            "datadir": f"{self.folder}/data",
            "socket": f"{self.folder}/log/sock",
            "pid-file": f"{self.folder}/log/pid",
            "log-error": f"{self.folder}/log/error.log",
        }
        options = {"mysqld": {**found["mysql"]["options"]["mysqld"], **own}}
        found["vip"]["address"] = "127.0.0.1"
        found["mysql"] |= {
            "options": options,
            "option_lines": {group: list(mysql_settings.option_lines(lines)) for group, lines in options.items()},
            "config": f"{self.folder}/my.cnf",
            "config_fragment": f"{self.folder}/my.cnf",
            "binary": SERVER,
            "client": CLIENT,
            "port": self.port,
            "pid_file": own["pid-file"],
            "socket": own["socket"],
        }
        return found

    def highstate(self, said: dict | None = None, test: bool = False) -> tuple[dict, dict]:
        """What a highstate does, with another ``mysql:tls`` if any: the returns of its two states."""
        if said is not None:
            self.said = said
        for module in (self.installed, self.applied):
            module.__opts__ = {"test": test}
        self.change.pending()  # it notes what is in service before it writes
        files = (
            self.installed.installed("tls")
            if self.config["mysql"]["tls"]["enabled"]
            else {"result": True, "changes": {}}
        )
        if files["result"] is False:
            return files, {}
        lines = [f"[{group}]\n" + "\n".join(lines) for group, lines in self.config["mysql"]["option_lines"].items()]
        text, path = "\n".join(lines) + "\n", self.folder / "my.cnf"
        if not test and (not path.exists() or path.read_text() != text):
            path.write_text(text)
        return files, self.applied.applied("applied")

    def pending(self) -> dict[str, str]:
        return {item["path"]: item["kind"] for item in self.change.pending()}

    def start(self) -> None:
        time.sleep(0.05)  # the kernel counts starts in ticks of 10 ms: a file of the same one is not surely older
        with open(self.folder / "output", "w") as output:
            argv = ["setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--init-groups", SERVER]
            argv += [f"--defaults-file={self.folder}/my.cnf"]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + 60
        while not self.mysql.active():
            said = self.folder / "log/error.log"
            assert self.process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def sql(self, statement: str) -> str:
        return command.run(
            registry.of(self.config["mysql"]).client(self.config["mysql"]), stdin=statement
        ).stdout.strip()

    def over_the_network(self, *words: str) -> str:
        """What a client over TCP gets; raises ``CommandFailed`` where it is turned away."""
        argv = [CLIENT, "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", f"--port={self.port}", "--user=app"]
        argv += ["--password=app", "--batch", "--skip-column-names", *words]
        return command.run(argv, stdin="SHOW STATUS LIKE 'Ssl_cipher';").stdout.strip()

    def served(self) -> str:
        """The common name of the certificate that is presented on the port, by openssl."""
        shown = certificates.openssl("s_client", "-starttls", "mysql", "-connect", f"127.0.0.1:{self.port}")
        return certificates.openssl("x509", "-noout", "-subject", stdin=shown).strip().rpartition("= ")[2]

    def uptime(self) -> tuple[int, int]:
        return self.process.pid, int(self.sql("SHOW STATUS LIKE 'Uptime';").split()[1])


@pytest.fixture(scope="module")
def made():
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)  # not pytest's, into which the account may not look
        folder.chmod(0o755)
        patch.setattr(tls_files, "FOLDER", f"{folder}/tls")
        site = Site(folder)
        yield site
        site.stop()


@pytest.fixture
def bare(made):
    """The node without TLS, and without a server."""
    made.stop()
    shutil.rmtree(made.folder / "tls", ignore_errors=True)
    for path in (made.change.RECORD, made.change.TLS_RECORD):
        path.unlink(missing_ok=True)
    made.highstate({})
    return made


@pytest.fixture
def site(bare):
    """A server that has started with a certificate of its pillar's."""
    bare.highstate(OLD)
    bare.start()
    bare.sql("CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY 'app';")
    return bare


def test_a_server_serves_the_certificate_of_the_pillar(site):
    assert site.served() == "old"
    authority = site.folder / "authority"
    authority.write_text(OLD["ca"])
    cipher = site.over_the_network("--ssl", f"--ssl-ca={authority}")
    assert cipher.startswith("Ssl_cipher\tTLS_")
    assert site.pending() == {}
    assert [state["changes"] for state in site.highstate()] == [{}, {}]


def test_the_files_are_roots_and_the_key_is_for_the_servers_group(site):
    paths = {name: site.folder / f"tls/current/{name}.pem" for name in tls_files.FILES}
    modes = {name: stat.S_IMODE(path.stat().st_mode) for name, path in paths.items()}
    assert modes == {"cert": 0o644, "key": 0o640, "ca": 0o644}
    assert {path.owner() for path in paths.values()} == {"root"}
    assert (paths["key"].group(), paths["cert"].group()) == (GROUP, "root")
    for folder in (site.folder / "tls", paths["key"].parent):
        assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (0, 0o755)


def test_a_renewed_certificate_is_served_by_the_same_run_of_the_server(site):
    pid, uptime = site.uptime()
    files, applied = site.highstate(NEW, test=True)
    assert (files["result"], applied["result"]) == (None, None)
    path = f"{site.folder}/tls/current"
    assert files["changes"] == {
        f"{path}/cert.pem": {"old": "another certificate", "new": "the pillar's certificate"},
        f"{path}/key.pem": {"old": "another key", "new": "the pillar's key"},
    }
    told = applied["changes"]["hamysql:mysql:tls:cert"]
    assert (told["old"].partition(", ")[0], told["new"].partition(", ")[0]) == ("CN=old", "CN=new")
    assert site.served() == "old"
    files, applied = site.highstate()
    assert (files["result"], list(applied["changes"])) == (True, ["hamysql:mysql:tls:cert"])
    assert site.served() == "new"
    assert site.uptime()[0] == pid
    assert site.uptime()[1] >= uptime
    assert [state["changes"] for state in site.highstate()] == [{}, {}]
    assert [path.name for path in (site.folder / "tls").iterdir() if path.is_symlink()] == ["current"]
    assert len(list((site.folder / "tls").iterdir())) == 2, "the old set is gone"


def test_a_run_that_was_killed_before_the_server_has_read_the_files_is_healed_by_the_next_one(site):
    site.said = NEW
    site.tls.install()
    assert site.served() == "old"
    assert site.pending() == {"hamysql:mysql:tls:cert": "live"}
    files, applied = site.highstate()
    assert (files["changes"], list(applied["changes"])) == ({}, ["hamysql:mysql:tls:cert"])
    assert site.served() == "new"
    # Killed before it was noted that the server has read them: told to once more, which hurts nobody.
    site.change.TLS_RECORD.unlink()
    assert site.pending() == {"hamysql:mysql:tls:ca": "live"}
    site.highstate()
    assert site.pending() == {}


def test_a_run_that_was_killed_while_it_wrote_leaves_the_old_set_in_use_and_no_key_behind(site, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    site.said = NEW
    for module, name in ((tls_files, "switch"), (tls_files.files, "synchronise")):
        with monkeypatch.context() as killed:
            killed.setattr(module, name, kill)
            with pytest.raises(Killed):
                site.tls.install()
    assert (site.folder / "tls/current/cert.pem").read_text() == OLD["cert"]
    assert len(list((site.folder / "tls").iterdir())) > 2
    site.highstate(OLD)
    assert len(list((site.folder / "tls").iterdir())) == 2
    assert site.tls.pending() == {}


def test_what_only_the_server_knows_of_its_certificate_is_believed(site):
    site.highstate(NEW)
    site.said = OLD
    site.tls.install()
    site.sql("FLUSH SSL;")  # by hand: our note is about the other set
    assert site.served() == "old"
    site.highstate()
    site.stop()
    site.start()
    assert site.pending() == {}


def test_other_authorities_alone_are_read_again(site):
    both = {**OLD, "ca": OLD["ca"] + certificates.authority("other")[0]}
    files, applied = site.highstate(both)
    assert list(files["changes"]) == [f"{site.folder}/tls/current/ca.pem"]
    assert list(applied["changes"]) == ["hamysql:mysql:tls:ca"]
    assert site.pending() == {}


def test_on_a_standby_only_the_files_change(site):
    site.stop()
    files, applied = site.highstate(NEW)
    assert files["changes"]
    assert applied["changes"] == {}
    site.start()
    assert site.served() == "new"
    assert site.pending() == {}


def test_owners_and_modes_that_were_changed_are_put_right(site):
    key = site.folder / "tls/current/key.pem"
    inode = key.stat().st_ino
    key.chmod(0o644)
    files, applied = site.highstate()
    assert list(files["changes"]) == [str(key)]
    assert applied["changes"] == {}
    assert (stat.S_IMODE(key.stat().st_mode), key.stat().st_ino) == (0o640, inode)
    assert site.tls.pending() == {}


@pytest.mark.parametrize("name", ["tls", "tls/current"])
def test_where_a_folder_was_not_roots_the_set_is_made_anew(site, name):
    before = (site.folder / "tls/current").readlink()
    shutil.chown(site.folder / name, USER)
    files, _ = site.highstate()
    assert list(files["changes"]) == [f"{site.folder}/{name}"]
    assert (site.folder / "tls/current").readlink() != before
    assert (site.folder / name).owner() == "root"
    assert site.tls.pending() == {}


WRONG = [
    ({**NEW, "key": OLD["key"]}, "hamysql:mysql:tls:key: found a key that does not belong to CN=new"),
    ({**NEW, "ca": certificates.authority("other")[0]}, "hamysql:mysql:tls:ca: found authorities that do not vouch"),
    (certificates.pair("late", days=-1), "a certificate that has expired at"),
    (
        certificates.pair("short", kind=("-newkey", "rsa:1024", "-nodes")),
        "a certificate or key that OpenSSL does not use (ee key too small)",
    ),
    (
        certificates.pair("client", extensions="extendedKeyUsage=clientAuth\n"),
        "authorities that do not vouch for the certificate (openssl: uns",
    ),
    (
        {"cert": NEW["cert"] + OLD["cert"], "key": OLD["key"]},
        "the key of certificate 2 of the chain, expected the key of the first certificate",
    ),
]


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(("said", "why"), WRONG, ids=range(len(WRONG)))
def test_what_a_server_could_not_start_with_replaces_nothing(site, said, why, test):
    before = (site.folder / "tls/current").readlink()
    files, _ = site.highstate(said, test=test)
    assert (files["result"], files["changes"]) == (False, {})
    assert why in files["comment"]
    with pytest.raises(ConfigError, match="mysql:tls"):
        site.tls.install()
    assert (site.folder / "tls/current").readlink() == before
    assert (site.folder / "tls/current/key.pem").read_text() == OLD["key"]
    site.stop()
    site.start()
    assert site.served() == "old"


def test_every_set_that_is_accepted_starts_a_server(bare):
    chain, key = certificates.intermediate()
    rsa = certificates.pair("rsa", kind=("-newkey", "rsa:2048", "-nodes"))
    for said in ({"cert": chain, "key": key, "ca": OLD["ca"]}, rsa, {"cert": rsa["cert"], "key": rsa["key"]}):
        files, _ = bare.highstate(said)
        assert files["result"] is True, files["comment"]
        bare.start()
        assert bare.served() in ("below", "rsa")
        assert bare.pending() == {}
        bare.stop()


def test_a_certificate_that_ends_soon_is_warned_of_and_one_in_service_is_not_refused_when_it_has(site, monkeypatch):
    soon = certificates.pair("soon", days=20)
    files, _ = site.highstate(soon)
    assert files["result"] is True
    (told,) = files["warnings"]
    assert "a certificate that expires at" in told
    (judged,) = site.tls.judge()["warnings"]
    assert judged["path"] == "hamysql:mysql:tls:cert"
    later = time.time() + 40 * 86400
    monkeypatch.setattr(site.tls.time, "time", lambda: later)
    files = site.installed.installed("tls")
    assert (files["result"], files["changes"]) == (True, {})
    assert "has expired" in files["warnings"][0]


def test_a_key_that_the_servers_account_could_not_read_replaces_nothing(site):
    site.said = NEW
    plain = site.config
    plain["mysql"]["group"] = "daemon"  # the account is not in it
    site.tls.__salt__ = {**site.tls.__salt__, "hamysql.config": lambda **_: plain}
    try:
        with pytest.raises(Refused, match="could not read"):
            site.tls.install()
    finally:
        site.tls.__salt__ = site.change.__salt__
    assert (site.folder / "tls/current/key.pem").read_text() == OLD["key"]
    assert len(list((site.folder / "tls").iterdir())) == 2


# --- required


def test_where_tls_is_required_plain_text_is_refused_and_the_socket_is_taken(site):
    assert site.over_the_network("--skip-ssl").split() == ["Ssl_cipher"]
    _, applied = site.highstate({**OLD, "required": True})
    assert list(applied["changes"]) == ["hamysql:mysql:tls:required"], "at once: the server has its TLS"
    with pytest.raises(CommandFailed, match="Access denied"):
        site.over_the_network("--skip-ssl")
    assert site.over_the_network("--ssl").startswith("Ssl_cipher\tTLS_")
    assert site.mysql.active(), "hamysql's own client"
    command.run(
        [ADMIN, "--no-defaults", f"--socket={site.config['mysql']['socket']}", "--user=root", "ping"]
    )  # the agent's
    assert site.mysql.ping()["answers"]
    site.highstate(NEW | {"required": True})
    assert site.served() == "new"
    _, applied = site.highstate(NEW)
    assert list(applied["changes"]) == ["hamysql:mysql:tls:required"]
    assert site.over_the_network("--skip-ssl").split() == ["Ssl_cipher"]


def test_tls_that_begins_waits_for_a_restart_and_nobody_is_locked_out_before(bare):
    bare.start()
    bare.sql("CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY 'app';")
    files, applied = bare.highstate({**OLD, "required": True})
    assert len(files["changes"]) == 3
    assert applied["changes"] == {}
    assert bare.pending() == dict.fromkeys(
        [f"hamysql:mysql:tls:{name}" for name in ("cert", "key", "ca", "required")], "restart"
    )
    assert bare.over_the_network("--skip-ssl").split() == ["Ssl_cipher"]
    bare.stop()
    bare.start()
    assert bare.pending() == {}
    with pytest.raises(CommandFailed, match="Access denied"):
        bare.over_the_network("--skip-ssl")
    _, applied = bare.highstate({})
    assert applied["changes"] == {}
    assert set(bare.pending().values()) == {"restart"}
    bare.stop()
    bare.start()
    assert bare.pending() == {}
    assert bare.over_the_network("--skip-ssl").split() == ["Ssl_cipher"]


# --- the secret


def test_the_key_is_in_no_argument_no_log_and_no_return(site, monkeypatch, caplog):
    ran = []

    def spy(argv, **options):
        ran.append(list(argv))
        return command.run(argv, **options)

    monkeypatch.setattr(site.tls, "run", spy)
    monkeypatch.setattr(site.change, "run", spy)
    with caplog.at_level(logging.DEBUG):
        told = [site.highstate(NEW, test=True), site.highstate({**NEW, "key": OLD["key"]}), site.highstate(NEW)]
    assert any(argv[:2] == ["openssl", "pkey"] for argv in ran)
    shown = f"{ran}{told}{caplog.text}{site.tls.judge()}{site.change.pending()}"
    for key in (OLD["key"], NEW["key"]):
        assert not [line for line in key.splitlines()[1:-1] if line in shown]
    assert site.served() == "new"
