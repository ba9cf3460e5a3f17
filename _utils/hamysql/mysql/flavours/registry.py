"""The flavours that hamysql knows: the one place that names them."""

from __future__ import annotations

from hamysql.mysql.flavours.face import Flavour
from hamysql.mysql.flavours.mariadb.flavour import MariaDB
from hamysql.mysql.flavours.mysql.flavour import MySQL, Percona
from hamysql.resolved.software import Mysql
from hamysql.schema.values import Config

FLAVOURS: dict[str, Flavour] = {flavour.name: flavour for flavour in (MariaDB(), MySQL(), Percona())}


def of(mysql: Config | Mysql) -> Flavour:
    """The flavour of a configuration's ``mysql``; the first one where the pillar names none, which is told elsewhere."""
    return FLAVOURS.get(mysql["flavor"]) or next(iter(FLAVOURS.values()))


def services() -> tuple[str, ...]:
    """What database servers are called where systemd starts them, of every flavour."""
    return tuple(dict.fromkeys(service for flavour in FLAVOURS.values() for service in flavour.names.services))
