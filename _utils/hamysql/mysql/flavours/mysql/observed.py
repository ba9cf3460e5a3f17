"""What a MySQL server says of its databases, accounts and roles. Pure.

MySQL keeps roles as accounts of the host ``%``, which are locked and have no password. Here a role is one without a host, as in
all of hamysql. A role of another host cannot be in a pillar, and is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from hamysql.errors import ParseError
from hamysql.mysql.flavours.face import Observed, Terms
from hamysql.mysql.sql import Account, unescape

# A hash may have any character, so it comes in hexadecimal digits.
QUERY = (
    "SELECT 'database', SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA;\n"
    "SELECT 'role', User FROM mysql.user WHERE Host = '%' AND account_locked = 'Y' AND password_expired = 'Y'"
    " AND authentication_string = '';\n"
    "SELECT 'account', User, Host, plugin, HEX(authentication_string) FROM mysql.user;\n"
    "SELECT 'member', TO_USER, TO_HOST, FROM_USER, WITH_ADMIN_OPTION FROM mysql.role_edges WHERE FROM_HOST = '%';\n"
    "SELECT 'default', USER, HOST, DEFAULT_ROLE_USER FROM mysql.default_roles WHERE DEFAULT_ROLE_HOST = '%'"
    " ORDER BY DEFAULT_ROLE_USER;\n"
    "SELECT 'terms', User, Host, ssl_type, ssl_cipher, x509_issuer, x509_subject, max_questions, max_updates, max_connections,"
    " max_user_connections FROM mysql.user;\n"
    # The component, or the plugin of 5.7 that 8.0 still has.
    "SELECT 'policy', COUNT(*) FROM performance_schema.global_variables WHERE VARIABLE_NAME LIKE 'validate_password%';\n"
    "SELECT 'everything', PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = '''root''@''localhost''';\n"
    "SELECT 'content', db, COUNT(*) FROM (SELECT TABLE_SCHEMA AS db FROM information_schema.TABLES"
    " UNION ALL SELECT ROUTINE_SCHEMA FROM information_schema.ROUTINES"
    " UNION ALL SELECT EVENT_SCHEMA FROM information_schema.EVENTS) contents GROUP BY db;\n"
    "SELECT 'variable', 'lower_case_table_names', @@GLOBAL.lower_case_table_names;\n"
)
_COLUMNS = {
    "database": 3,
    "role": 1,
    "account": 4,
    "member": 4,
    "default": 3,
    "terms": 10,
    "policy": 1,
    "everything": 1,
}
_COLUMNS |= {"content": 2, "variable": 2}
_LIMITS = ("max_queries_per_hour", "max_updates_per_hour", "max_connections_per_hour", "max_user_connections")
_REQUIRED = {"": "NONE", "ANY": "SSL", "X509": "X509"}


def observed(output: str) -> Observed:
    """The output of ``QUERY``."""
    rows: dict[str, list[list[str]]] = {kind: [] for kind in _COLUMNS}
    for line in output.split("\n"):
        if not line:
            continue
        kind, *fields = (unescape(cell) for cell in line.split("\t"))
        if _COLUMNS.get(kind) != len(fields):
            raise ParseError(f"the database answered with {len(fields)} columns for {kind!r}")
        rows[kind].append(fields)
    roles = frozenset(name for (name,) in rows["role"])

    def who(name: str, host: str) -> Account:
        return name, "" if host == "%" and name in roles else host

    memberships: dict[Account, dict[str, bool]] = {}
    for name, host, role, admin in rows["member"]:
        memberships.setdefault(who(name, host), {})[role] = admin == "Y"
    defaults: dict[Account, list[str]] = {}
    for name, host, role in rows["default"]:
        defaults.setdefault(who(name, host), []).append(role)
    return Observed(
        {name: (character_set, collation) for name, character_set, collation in rows["database"]},
        {who(name, host): (plugin, _hash(kept)) for name, host, plugin, kept in rows["account"]},
        contents={name: int(number) for name, number in rows["content"]},
        roles=roles,
        memberships=memberships,
        terms={who(row[0], row[1]): _terms(row[2:], defaults.get(who(row[0], row[1]), [])) for row in rows["terms"]},
        policy=rows["policy"] != [["0"]],
        small=[row[1] for row in rows["variable"]] != ["0"],
        everything=frozenset(name for (name,) in rows["everything"]),
    )


def _hash(kept: str) -> str:
    """In hexadecimal digits where it begins with ``$``; the others are text."""
    return f"0x{kept}" if kept.startswith("24") else bytes.fromhex(kept).decode("ascii", "replace")


def _terms(fields: Sequence[str], defaults: Sequence[str]) -> Terms:
    kind, cipher, issuer, subject, *numbers = fields
    require = (
        {"tls": _REQUIRED[kind]} if kind in _REQUIRED else {"cipher": cipher, "issuer": issuer, "subject": subject}
    )
    return Terms(require, dict(zip(_LIMITS, map(float, numbers))), ", ".join(defaults))
