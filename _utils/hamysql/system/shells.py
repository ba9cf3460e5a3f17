"""What an operator types: commands in the words of the cluster shell that a node has.

hamysql runs pacemaker's own programs, and no shell but for a pillar's ``crm configure`` text. A sentence that names a command names
one that is there: Enterprise Linux has pcs and no crmsh, and a node may have neither.
Sources: crmsh 4.4's help, pcs(8) of 0.11, crm_resource(8), crm_standby(8) and crm_attribute(8) of pacemaker 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping

from hamysql.system.command import exists

# crmsh's own `node standby` and `node online` ping the node by its name first, and do nothing where the name has no address
# (parse_option_for_nodes in its ui_node.py). hamysql needs no such names.
_STANDBY = {"standby": "crm_standby --node {name} --update on", "online": "crm_standby --node {name} --delete"}

# By the shell's program; "" stands for pacemaker's own programs, which every node of a cluster has.
_COMMANDS: Mapping[str, Mapping[str, str]] = {
    "crm": {
        **_STANDBY,
        "ready": "crm node ready {name}",
        "clear": "crm resource clear {name}",
        "start": "crm resource start {name}",
        "manage": "crm resource manage {name}",
        "maintained": "crm resource maintenance {name} off",
        "cleanup": "crm resource cleanup {name} {node}",
    },
    "pcs": {
        "standby": "pcs node standby {name}",
        "online": "pcs node unstandby {name}",
        "ready": "pcs node unmaintenance {name}",
        "clear": "pcs resource clear {name}",
        "start": "pcs resource enable {name}",
        "manage": "pcs resource manage {name}",
        "maintained": "pcs resource meta {name} maintenance=",
        "cleanup": "pcs resource cleanup {name} node={node}",
    },
    "": {
        **_STANDBY,
        "ready": "crm_attribute --node {name} --name maintenance --delete",
        "clear": "crm_resource --clear --resource {name}",
        "start": "crm_resource --resource {name} --meta --delete-parameter target-role",
        "manage": "crm_resource --resource {name} --meta --delete-parameter is-managed",
        "maintained": "crm_resource --resource {name} --meta --delete-parameter maintenance",
        "cleanup": "crm_resource --cleanup --resource {name} --node {node}",
    },
}


def installed() -> str:
    """The shell of this machine: "crm", "pcs", or "" where it has neither."""
    return next((shell for shell in _COMMANDS if shell and exists(shell)), "")


def command(shell: str, verb: str, name: str, node: str = "") -> str:
    """A command line.

    shell
        What :func:`installed` has said on the node where the command is to be typed.
    verb
        For a node: "standby", "online" (ends it), "ready" (ends its maintenance mode). For a resource: "clear" (ends a move or a
        ban), "start", "manage", "maintained" (ends its maintenance mode), and "cleanup" (forgets a failure, on ``node``).
    name
        The node or the resource.
    """
    return _COMMANDS[shell][verb].format(name=name, node=node)
