"""Which of the formula's files of parameters are a machine's, by its grains. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

DEFAULTS = "defaults.yaml"


def files(grains: Mapping[str, object]) -> Collection[str]:
    """The files below ``parameters``, general first.

    grains
        ``os_family``, ``os`` and ``osmajorrelease`` of the machine, as Salt names them.

    The first two have to be there. Each of the others says only what is different in one distribution or one release. Clones of a
    distribution have a name of their own and its release, so releases are named after the family as well: ``RedHat-9.yaml``.
    """
    family, name, release = (str(grains.get(key, "")) for key in ("os_family", "os", "osmajorrelease"))
    further = [f"os/{name}.yaml", f"release/{family}-{release}.yaml", f"release/{name}-{release}.yaml"]
    return tuple(dict.fromkeys([*required(grains), *further]))


def required(grains: Mapping[str, object]) -> Collection[str]:
    """Those without which a system is unknown."""
    family = f"os_family/{grains.get('os_family', '')}.yaml"
    return DEFAULTS, family
