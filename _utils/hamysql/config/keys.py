"""Every key that the pillar ``hamysql`` may have. Defaults are in ``hamysql/parameters/``, not here."""

from __future__ import annotations

from hamysql.backup.settings import BACKUP
from hamysql.cib import names as cib_names
from hamysql.config import packages
from hamysql.config.packages import REPOSITORY
from hamysql.corosync.settings import COROSYNC
from hamysql.fencing.settings import FENCING, QUORUM
from hamysql.firewall.settings import FIREWALL
from hamysql.mysql.settings import MYSQL
from hamysql.schema import values as v
from hamysql.schema.language import Items, Names, Section, Value
from hamysql.storage import backends
from hamysql.storage import settings as storage_settings

PROPERTIES = Names(v.OPTION_NAME, v.required(v.PROPERTY_VALUE), "a mapping of names to values")

OPERATION = Section(
    {"interval": v.TIME, "timeout": v.TIME, "OCF_CHECK_LEVEL": v.count(0, 20, "how deep the agent looks")}
)


def _never(value: object) -> str:
    if value not in (0, "0", "0s") or isinstance(value, bool):
        raise ValueError
    return "0s"


# pacemaker ignores what it is told to repeat and cannot: crm_verify calls that an error.
ONCE = Section({**OPERATION.keys, "interval": Value("'0s': only a monitor is repeated", _never)})


def _operations(*names: str) -> Section:
    return Section({name: OPERATION if name.startswith("monitor") else ONCE for name in names})


NODE = Section(
    {
        "minion_id": v.NAME,
        "addresses": Items(v.ADDRESS, "a list of addresses, one for each link"),
        "disk": v.DEVICE,
        "vip_interface": v.INTERFACE,
    }
)

CLUSTER = Section(
    {
        "name": v.required(v.NAME, "the name that its members share"),
        "nodes": Names(v.NAME, NODE, "a mapping with two nodes; each key is what `uname -n` prints there"),
    }
)

VIP = Section(
    {
        "address": v.required(v.ADDRESS, "the address under which the database is reached"),
        "prefix": v.required(v.count(1, 128, "the length of its network's prefix")),
        "interface": v.INTERFACE,
        "agent": v.one_of("ocf:hamysql:address", "ocf:heartbeat:IPaddr2"),
        "watch": v.BOOLEAN,
        "reachable": Items(v.REACHABLE, "a list of addresses"),
    }
)


def _pacemaker() -> Section:
    return Section(
        {
            "hand_over": v.BOOLEAN,
            "python": v.PATH,
            "properties": PROPERTIES,
            "rsc_defaults": PROPERTIES,
            "operations": Section(
                {
                    cib_names.ADDRESS: _operations("start", "stop", "monitor"),
                    cib_names.WATCHER: _operations("start", "stop", "monitor"),
                    **{
                        name: _operations(*of)
                        for kind in backends.KINDS.values()
                        for name, of in kind.operations.items()
                    },
                    cib_names.FILE_SYSTEM: _operations("start", "stop", "monitor"),
                    cib_names.SERVER: _operations("start", "stop", "monitor"),
                }
            ),
            # Secret as a whole: a parameter of a resource may be a password.
            "configure": Value("text in the language of `crm configure`", v.lines, secret=True),
        }
    )


def schema() -> Section:
    """All keys; those of each kind of storage that there is are among them."""
    return Section(
        {
            "cluster": CLUSTER,
            "vip": VIP,
            "fencing": FENCING,
            "quorum": QUORUM,
            "corosync": COROSYNC,
            "repo": Section({"repositories": Names(v.NAME, REPOSITORY, "a mapping of names to repositories")}),
            "package": packages.section(),
            "firewall": FIREWALL,
            "storage": storage_settings.section(),
            "mysql": MYSQL,
            "backup": BACKUP,
            "pacemaker": _pacemaker(),
        }
    )
