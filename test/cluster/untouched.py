"""What a node consists of, as one text: two of them are equal where nothing at all was changed in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lab import api

# Every file with its size, times, mode and owner; what is on the disk; the cluster's configuration and the kernel's rules.
# Left out is what belongs to Salt itself, and what changes by itself while systems and databases run.
LOOK = r"""
find /etc /usr /var/lib /var/spool /root /srv -xdev \
  \( -path /etc/salt -o -path /var/lib/mysql -o -path /var/lib/systemd -o -path /var/lib/logrotate -o -path /var/lib/pacemaker/pengine \
     -o -path /var/lib/pacemaker/blackbox -o -name __pycache__ \) -prune -o ! -type d -printf '%p %s %T@ %C@ %m %u %l\n' | sort
head -c 1048576 /dev/ubdb | sha256sum
cut -d' ' -f1-3 /proc/mounts; grep -o '^drbd ' /proc/modules
iptables-legacy-save 2>/dev/null | grep -v '^[#:]'
cibadmin --query 2>/dev/null | sed -n '/<cib /,/<\/configuration>/p' | sed 's/num_updates="[0-9]*"//; s/cib-last-written="[^"]*"//'
systemctl list-units --state=active --type=service --plain --no-legend | cut -d' ' -f1 | grep -E 'corosync|pacemaker|maria|drbd|hamysql'
true
"""


def look(lab: api.Lab, *, disk: bool = True) -> dict[str, str]:
    """What each node consists of.

    disk
        With the beginning of its data disk; without it where a database writes there.
    """
    command = LOOK if disk else LOOK.replace("head -c 1048576 /dev/ubdb | sha256sum\n", "")
    with ThreadPoolExecutor() as threads:
        texts = threads.map(lambda name: api.ssh(lab, name, command, timeout=120), lab.topology.names)
        return dict(zip(lab.topology.names, texts, strict=True))


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The lines that only one of two looks has."""
    found = []
    for name, text in before.items():
        old, new = set(text.splitlines()), set(after[name].splitlines())
        found += [f"{name} - {line}" for line in sorted(old - new)] + [f"{name} + {line}" for line in sorted(new - old)]
    return found
