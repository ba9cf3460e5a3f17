"""The commented pillar of a proposal, from one template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
import yaml

from hamysql.master.proposal.plan import Proposal
from hamysql.schema.language import TODO

TEMPLATE = """\
# Proposed by `salt-run hamysql.propose {{ hosts[0].minion }} {{ hosts[1].minion }}`, from what both machines say of themselves.
#
# 1. Fill in each TODO. The deployment is refused until then. pillar.example explains all other keys.
# 2. Assign this file to both minions in the pillar's top file.
# 3. Make the secrets, and assign them as well: `salt-run hamysql.secrets /srv/pillar/NAME-secrets.sls`
# 4. Look at `salt-run hamysql.preflight` and `salt-run hamysql.plan`, then `salt-run state.orchestrate hamysql.orch`.
#
{% for host in hosts %}
# {{ host.name }} (minion {{ host.minion }}): {{ host.system }}
{% endfor %}
hamysql:
  cluster:
    name: {{ cluster | y }}  # the members share it; one master may serve many clusters
    nodes:  # each key is what `uname -n` prints there
{% for host in hosts %}
      {{ host.name | y }}:
        minion_id: {{ host.minion | y }}
{% if links %}
        # One address for each link. Each one has answered the other node.
{% else %}
        # One address for each link, in the same order on both nodes. No two of them reached each other.
{% endif %}
        addresses: [{{ host.addresses | map("y") | join(", ") }}]
{% if host.disk %}
        disk: {{ host.disk | y }}  # {{ host.disk_size }}, blank. Its content will be replaced
{% endif %}
{% if vip.interfaces[0] != vip.interfaces[1] %}
        vip_interface: {{ vip.interfaces[loop.index0] | y }}
{% endif %}
{% endfor %}
{% if links | length == 1 %}
    # There is one link. A second one, on cables of its own, keeps the nodes together when this one is lost.
{% endif %}

  vip:  # the address under which clients reach the database, on whichever node it runs
{% if vip.candidates %}
    # Nobody answers for {{ vip.address }} now. Make sure that it is not promised to another machine.
{% endif %}
    address: {{ vip.address | y }}
    prefix: {{ vip.prefix }}
{% if vip.interfaces[0] == vip.interfaces[1] %}
    interface: {{ vip.interfaces[0] | y }}
{% endif %}

  fencing:  # a node that no longer answers is cut off before the other one takes over
    devices:  # by the node that they cut off
{% for host in hosts %}
      {{ host.name | y }}:
{% if host.board_why %}
        # No management board was found: {{ host.board_why }}
{% endif %}
        - agent: fence_ipmilan  # or another fence agent with its own options, see docs/fencing.md
          options: {ip: {{ host.board | y }}, username: TODO, lanplus: true}
          secrets: {password: TODO}  # of that user on the board
{% endfor %}

  storage:
    backend: drbd  # each node has a copy. shared is a LUN that both see, nfs an export: docs/storage
{% for disk in other_disks %}
    # another disk: {{ disk }}
{% endfor %}
{% if not hosts[0].disk %}
    drbd:
      disk: TODO  # a disk, partition or volume of the same size on each node; its content will be replaced
{% endif %}

  firewall:
    client_networks: [TODO]  # who reaches the database besides the nodes, such as {{ network }}

  mysql:  # docs/accounts.md
    databases: []
    users: []
    # databases: [{name: galaxy}]
    # users:
    #   - {name: app, host: '192.0.2.%', grants: [{privileges: [ALL], 'on': galaxy.*}]}
"""

_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


def scalar(value: str) -> str:
    """A text as YAML has it, quoted where it would be read as something else."""
    plain = bool(_PLAIN.fullmatch(value)) and not value.startswith("-") and yaml.safe_load(value) == value
    return value if plain else json.dumps(value)


def text(proposal: Proposal) -> str:
    """The pillar file."""
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["y"] = scalar
    network = str(proposal.links[0].network) if proposal.links else "192.0.2.0/24"
    fields = {name: getattr(proposal, name) for name in ("cluster", "hosts", "links", "vip", "other_disks")}
    made = environment.from_string(TEMPLATE).render(network=network, **fields)
    return re.sub(r"[^\n\x20-\x7e]", "?", made)  # only comments have others: a value is quoted


def pillar(made: str) -> dict[str, Any]:
    """The pillar ``hamysql`` of such a text."""
    found: dict[str, Any] = yaml.safe_load(made)["hamysql"]
    return found


def todo(value: Any, path: str = "hamysql") -> Iterator[str]:
    """The path of each TODO in a pillar."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from todo(item, f"{path}:{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from todo(item, f"{path}:{number}")
    elif value == TODO:
        yield path
