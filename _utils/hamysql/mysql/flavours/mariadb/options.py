"""MariaDB's options: under which names and in which groups it reads them, and which values each may have. Pure.

Sources: MariaDB's ``mysys/my_getopt.c`` (prefixes, beginnings of names, booleans) and ``mysys/my_default.c`` (groups).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hamysql.mysql.flavours.allowed import OFF, ON, Allowed, never, number, words
from hamysql.mysql.flavours.face import Options

# Groups that no server reads: those of MariaDB's and MySQL's client programs.
_CLIENT_GROUPS = frozenset(
    "client client-mariadb mysql mariadb-client mysqldump mariadb-dump mysqladmin mariadb-admin mysqlimport mariadb-import "
    "mysqlcheck mariadb-check mysqlshow mariadb-show mysqlslap mariadb-slap mysqlbinlog mariadb-binlog mysql_upgrade "
    "mariadb-upgrade "
    "mariabackup mariadb-backup xtrabackup sst odbc myisamchk aria_chk aria_pack myisampack mytop mysqlhotcopy "
    "mariadb-hotcopy".split()
)
# What a whole name begins with, though it is one: an option of these names is not a beginning of a longer one.
_WHOLE_NAMES = frozenset(
    "debug flush general_log innodb lc_messages log_bin log_slow_query port relay_log slow_query_log ssl "
    "version query_cache_type".split()
)

_LOCKS = "hamysql reaches the server as root through its socket"
_ENDS = "with it the server does something and ends, or serves nobody"
_GUARDED: Mapping[str, Allowed] = {
    # who gets in
    "skip_grant_tables": words(*OFF, why="without accounts anybody is root"),
    "skip_networking": words(*OFF, why="clients reach the server through the virtual IP"),
    "unix_socket": words(*ON, "force", "force_plus_permanent", why=f"{_LOCKS}, and that plugin lets it in"),
    "thread_handling": words("one-thread-per-connection", "pool-of-threads", why="any other mode serves one client"),
    "default_password_lifetime": number("0", why=f"{_LOCKS}, and a password that expires locks it out"),
    "init_file": never("it runs SQL as root at each start; hamysql:mysql:users and databases are for accounts and databases"),
    "chroot": never("files have other names there, the socket among them"),
    # what can be written
    "read_only": words(*OFF, why="the node that serves takes writes"),
    "super_read_only": words(*OFF, why="the node that serves takes writes"),
    "transaction_read_only": words(*OFF, why="the node that serves takes writes"),
    "tx_read_only": words(*OFF, why="the node that serves takes writes"),
    "innodb_read_only": words(*OFF, why="the node that serves takes writes"),
    "innodb_force_recovery": number("0", why="above that InnoDB serves damaged data; rescue it by hand, with the cluster stopped"),
    "innodb": words(*ON, "force", "force_plus_permanent", why="the data is InnoDB's"),
    "ignore_builtin_innodb": words(*OFF, why="the data is InnoDB's"),
    "autocommit": words(*ON, why="clients, hamysql among them, do not commit what they take for committed"),
    # what a crash leaves: each failover after a power cut is the recovery of a crash
    "innodb_doublewrite": words(*ON, "fast", why="without it a power cut leaves torn pages, and no failover repairs them"),
    "innodb_flush_method": words(
        *("fsync", "o_dsync", "o_direct", "o_direct_no_fsync"),
        why="any other method does not write to the disk what is committed",
    ),
    "innodb_checksum_algorithm": words(
        *("crc32", "strict_crc32", "full_crc32", "strict_full_crc32"), why="damage has to be seen"
    ),
    "debug_no_sync": words(*OFF, why="nothing would be written to the disk for good"),
    "tc_heuristic_recover": words("off", why="with it the server ends after the recovery"),
    # what is not a server that serves
    "bootstrap": never(_ENDS),
    "help": never(_ENDS),
    "version": never(_ENDS),
    "validate_config": never(_ENDS),
    "initialize": never(_ENDS),
    "initialize_insecure": never(_ENDS),
    "print_defaults": never(_ENDS),
    "install": never(_ENDS),
    "daemonize": never("pacemaker starts and watches the server"),
    "flashback": words(*OFF, why=_ENDS),
    "wsrep_on": words(*OFF, why="Galera replicates by itself; this cluster has one server"),
    "wsrep_provider": words("none", why="Galera replicates by itself; this cluster has one server"),
    "wsrep_recover": words(*OFF, why=_ENDS),
    # files that a plain name can take elsewhere
    "innodb_data_file_path": Allowed(
        lambda value: value is not None and not set(value) & set("/\\") and "raw" not in value.lower(),
        "files in the datadir, without a path: the other node has nothing else",
    ),
}  # fmt: skip
_FAMILIES = {"wsrep_": "not to be set: Galera replicates by itself; this cluster has one server"}

# Paths. What is not named here has to be below the datadir.
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
_PROGRAM = ("/usr", "/opt", "/etc")
_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("tmpdir", "innodb_tmpdir", "slave_load_tmpdir", "secure_file_priv"), _TEMPORARY),
    **dict.fromkeys(
        ("basedir", "plugin_dir", "lc_messages_dir", "language", "character_sets_dir", "ft_stopword_file"), _PROGRAM
    ),
    **dict.fromkeys(("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_crl", "ssl_crlpath"), ("/etc", "/var/lib", "/usr")),
    **dict.fromkeys(("file_key_management_filename", "file_key_management_filekey"), ("/etc",)),
    "gssapi_keytab_path": ("/etc",),
}  # fmt: skip
_LOGS = ("general_log_file", "slow_query_log_file", "log_slow_query_file", "server_audit_file_path")
# Options whose value is no path, whatever is in it.
_NO_PATHS = frozenset(
    "init_connect init_slave default_time_zone optimizer_trace proxy_protocol_networks report_host version_comment "
    "server_audit_incl_users server_audit_excl_users server_audit_syslog_info feedback_url feedback_http_proxy feedback_user_info "
    "replicate_rewrite_db ignore_db_dirs bind_address ft_boolean_syntax date_format datetime_format time_format "
    "hashicorp_key_management_vault_url".split()
)
_PART = "what is not in the binary logs cannot be restored from them"
# Where the binary logs are shipped.
_LOGGED: Mapping[str, Allowed] = {
    "log_bin": Allowed(
        lambda value: value is None or (bool(value) and not set(value) & set("/\\.") and value.lower() not in OFF),
        "a plain name, or not to be set: hamysql:backup:binary_logs ships the logs, which are in the datadir",
    ),
    "sync_binlog": number("1", why="a power cut would take away what was committed and shipped"),
    "binlog_format": words("row", "mixed", why="statements alone may do something else when they are replayed"),
    "binlog_do_db": never(_PART),
    "binlog_ignore_db": never(_PART),
    "encrypt_binlog": words(*OFF, why="nobody but this server could read the shipped logs"),
}
_LISTS_OF_PATHS = ("tmpdir", "slave_load_tmpdir")

OPTIONS = Options(
    read=re.compile(r"(mysqld|server|mariadb|mariadbd)(-\d+\.\d+)?|galera"),
    clients=_CLIENT_GROUPS,
    off=("disable", "skip"),
    on=("enable", "loose", "maximum", "autoset"),
    whole=_WHOLE_NAMES,
    guarded=_GUARDED,
    families=_FAMILIES,
    elsewhere=_ELSEWHERE,
    logs=_LOGS,
    no_paths=_NO_PATHS,
    lists_of_paths=_LISTS_OF_PATHS,
    # Three days in the datadir are for a place that is out of reach over a weekend.
    binary_logs={"log-bin": "binlog", "sync-binlog": "1", "expire-logs-days": "3"},
    logged=_LOGGED,
)
