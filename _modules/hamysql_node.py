"""
One node, all at once: what the orchestration and the runner ask every member before they decide anything.
"""

from __future__ import annotations

from hamysql import fingerprint

__virtualname__ = "hamysql_node"


def __virtual__():
    return __virtualname__


def survey():
    """
    Everything that this node sees, in one job. Reads only, and works before anything is installed.

    Returns ``{"code": digest of the formula's code here, "pillar": digest of the pillar, "settings": the configuration with
    masked secrets, "storage": see hamysql_storage.survey, "cluster": see hamysql_cluster.status, "database": whether a server
    answers on the local socket}``.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_node.survey
    """
    return {
        "code": fingerprint.code(__opts__["extension_modules"]),
        "pillar": fingerprint.pillar(__pillar__.get("hamysql")),
        "settings": __salt__["hamysql.settings"](),
        "storage": __salt__["hamysql_storage.survey"](),
        "cluster": __salt__["hamysql_cluster.status"](),
        "database": __salt__["hamysql_mysql.active"](),
    }


def pending():
    """
    What is left to do in the running cluster, as far as this node can tell. Reads only.

    Every member looks at the virtual IP, the controller also at the cluster's configuration, and the active node at the
    accounts. Returns ``{"service": "" or a sentence on why the database does not answer, "resources": ids that differ or
    None, "drift": see hamysql_cib.drift, "accounts": names that differ or None}``; None where it is another node's to tell.

    CLI Example:

    .. code-block:: bash

        salt 'db*' hamysql_node.pending
    """
    seen = __salt__["hamysql_mysql.ping"]()
    found = {"service": "" if seen["answers"] else seen["seen"], "resources": None, "drift": [], "accounts": None}
    if __salt__["hamysql_cluster.status"]()["dc"] == __salt__["hamysql.config"]()["self"]:
        cluster = __salt__["hamysql_cib.diff"]()
        text = __salt__["hamysql_cib.configure"](test=True)
        found["resources"] = [change["id"] for change in [*cluster["changes"], *text["changes"]]]
        found["drift"] = cluster["drift"]
    if __salt__["hamysql_mysql.active"]():
        found["accounts"] = list(__salt__["hamysql_mysql.pending"]())
    return found
