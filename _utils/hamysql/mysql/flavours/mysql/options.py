"""MySQL's options: under which names and in which groups it reads them, and which values each may have. Pure.

Sources: MySQL's ``mysys/my_getopt.cc`` and ``mysys/my_default.cc``; the manual of 8.0, 8.4 and 9.7, "Server Option and Variable
Reference". What was run is 9.7. Options that only 8.0 or 8.4 have come from the manual.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hamysql.mysql.flavours.allowed import OFF, ON, Allowed, never, number, words
from hamysql.mysql.flavours.face import Options

# Groups that no server reads: those of MySQL's client programs.
_CLIENT_GROUPS = frozenset(
    "client mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlslap mysqlbinlog mysqlpump mysqlsh mysql_upgrade "
    "xtrabackup myisamchk myisampack mysqldumpslow mysqlrouter mysqlbackup".split()
)
# What a whole name begins with, though it is one: an option of these names is not a beginning of a longer one.
_WHOLE_NAMES = frozenset(
    "debug flush general_log lc_messages log_bin port relay_log slow_query_log ssl version mysqlx".split()
)

_LOCKS = "hamysql reaches the server as root through its socket"
_ENDS = "with it the server does something and ends, or serves nobody"
_WRITES = "the node that serves takes writes"
_GROUP = "Group Replication replicates by itself; this cluster has one server"
_X = (
    "the X protocol is a second door, at port 33060 of all addresses, and neither the virtual IP nor the firewall's rules nor the "
    "monitor know of it"
)
_GUARDED: Mapping[str, Allowed] = {
    # who gets in
    "skip_grant_tables": words(*OFF, why="without accounts anybody is root"),
    "skip_networking": words(*OFF, why="clients reach the server through the virtual IP"),
    "auth_socket": words(*ON, "force", "force_plus_permanent", why=f"{_LOCKS}, and that plugin lets it in"),
    "authentication_policy": words("*", "*,", "*,,", why=f"{_LOCKS}, with one factor"),
    "default_password_lifetime": number("0", why=f"{_LOCKS}, and a password that expires locks it out"),
    "offline_mode": words(*OFF, why="nobody but administrators gets in"),
    "init_file": never("it runs SQL as root at each start; hamysql:mysql:users and databases are for accounts and databases"),
    "chroot": never("files have other names there, the socket among them"),
    "mysqlx": words(*OFF, why=_X),
    # what can be seen
    "log_raw": words(*OFF, why="the general log would have passwords in clear text"),
    # what can be written
    "read_only": words(*OFF, why=_WRITES),
    "super_read_only": words(*OFF, why=_WRITES),
    "transaction_read_only": words(*OFF, why=_WRITES),
    "innodb_read_only": words(*OFF, why=_WRITES),
    "innodb_redo_log_encrypt": words(*OFF, why="the keyring's file is not on the other node"),
    "innodb_force_recovery": number("0", why="above that InnoDB serves damaged data; rescue it by hand, with the cluster stopped"),
    "autocommit": words(*ON, why="clients, hamysql among them, do not commit what they take for committed"),
    "disabled_storage_engines": Allowed(
        lambda value: "innodb" not in (value or "").lower(), "a list without InnoDB: the data is InnoDB's"
    ),
    # what a crash leaves: each failover after a power cut is the recovery of a crash
    "innodb_doublewrite": words(
        *ON, "detect_and_recover", why="without it a power cut leaves torn pages, and no failover repairs them"
    ),
    "innodb_flush_method": words(
        *("fsync", "o_dsync", "o_direct", "o_direct_no_fsync"),
        why="any other method does not write to the disk what is committed",
    ),
    "innodb_checksum_algorithm": words("crc32", "strict_crc32", why="damage has to be seen"),
    "tc_heuristic_recover": words("off", why="with it the server ends after the recovery"),
    # what is not a server that serves
    "help": never(_ENDS),
    "version": never(_ENDS),
    "validate_config": never(_ENDS),
    "initialize": never(_ENDS),
    "initialize_insecure": never(_ENDS),
    "print_defaults": never(_ENDS),
    "install": never(_ENDS),
    "daemonize": never("pacemaker starts and watches the server"),
    "upgrade": words("auto", "minimal", why="with any other value a newer server ends, or upgrades its tables at each start"),
    "no_dd_upgrade": never("the server would end at a failover to a node with a newer version"),
    # what the other node would not have
    "persisted_globals_load": words(*ON, "off", why="it is a switch"),
    "early_plugin_load": never("a keyring's file is not on the other node"),
    # files that a plain name can take elsewhere
    "innodb_data_file_path": Allowed(
        lambda value: value is not None and not set(value) & set("/\\") and "raw" not in value.lower(),
        "files in the datadir, without a path: the other node has nothing else",
    ),
}  # fmt: skip
_FAMILIES = {"mysqlx_": f"not to be set: {_X}", "group_replication": f"not to be set: {_GROUP}"}

# Paths. What is not named here has to be below the datadir.
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
_PROGRAM = ("/usr", "/opt", "/etc")
_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("tmpdir", "innodb_tmpdir", "replica_load_tmpdir", "slave_load_tmpdir"), _TEMPORARY),
    # The packages make this one; the server does not start without it.
    "secure_file_priv": (*_TEMPORARY, "/var/lib/mysql-files"),
    **dict.fromkeys(("basedir", "plugin_dir", "lc_messages_dir", "character_sets_dir", "ft_stopword_file"), _PROGRAM),
    **dict.fromkeys(
        "ssl_ca ssl_capath ssl_cert ssl_key ssl_crl ssl_crlpath admin_ssl_ca admin_ssl_cert admin_ssl_key".split(),
        ("/etc", "/var/lib", "/usr"),
    ),
    "validate_password.dictionary_file": ("/etc",),
    **dict.fromkeys(("caching_sha2_password_private_key_path", "caching_sha2_password_public_key_path"), ("/etc",)),
}  # fmt: skip
_LOGS = ("general_log_file", "slow_query_log_file", "audit_log_file")
# Options whose value is no path, whatever is in it.
_NO_PATHS = frozenset(
    "init_connect init_replica init_slave default_time_zone optimizer_trace optimizer_switch report_host version_comment "
    "replicate_rewrite_db bind_address ft_boolean_syntax log_error_services log_error_suppression_list ssl_cipher "
    "tls_ciphersuites tls_version".split()
)

OPTIONS = Options(
    read=re.compile(r"(mysqld|server)(-\d+\.\d+)?"),
    clients=_CLIENT_GROUPS,
    off=("disable", "skip"),
    on=("enable", "loose", "maximum"),
    whole=_WHOLE_NAMES,
    guarded=_GUARDED,
    families=_FAMILIES,
    elsewhere=_ELSEWHERE,
    logs=_LOGS,
    no_paths=_NO_PATHS,
    lists_of_paths=("tmpdir", "replica_load_tmpdir", "slave_load_tmpdir"),
)
