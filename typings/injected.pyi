"""
What Salt's loader puts into every module that it loads, for mypy alone. Nothing imports this when it runs.

A function of Salt or of the formula returns ``Any``, but for those that are named here.
"""

from collections.abc import Callable
from typing import Any, Literal, Protocol, overload

from hamysql.corosync import membership
from hamysql.resolved import Resolved
from hamysql.survey import Cluster

class _Functions(Protocol):
    @overload
    def __getitem__(self, name: Literal["hamysql_cluster.corosync"]) -> Callable[..., membership.Seen]: ...
    @overload
    def __getitem__(self, name: Literal["hamysql.config", "hamysql.settings"]) -> Callable[..., Resolved]: ...
    @overload
    def __getitem__(self, name: Literal["hamysql_cluster.status"]) -> Callable[..., Cluster]: ...
    @overload
    def __getitem__(self, name: Literal["hamysql_mysql.active"]) -> Callable[..., bool]: ...
    @overload
    def __getitem__(self, name: str) -> Callable[..., Any]: ...

class _States(Protocol):
    def __getitem__(self, name: str) -> Callable[..., dict[str, Any]]: ...

__salt__: _Functions
__states__: _States
__opts__: dict[str, Any]
__grains__: dict[str, Any]
__pillar__: dict[str, Any]
__context__: dict[str, Any]
