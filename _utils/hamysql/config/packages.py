"""Which packages a node needs, and the repositories that they are borrowed from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hamysql.fencing import devices as fencing_devices
from hamysql.firewall import backends as firewalls
from hamysql.mysql.flavours import registry
from hamysql.resolved.software import Package
from hamysql.schema import values as v
from hamysql.schema.language import Items, Names, Report, Section, Value, closest
from hamysql.schema.values import Config, given
from hamysql.storage import backends

# The options of Salt's pkgrepo.managed that describe a repository, of apt, dnf and zypper together.
REPOSITORY_TEXT = Value("a text on one line", v.text(1, 1024))

REPOSITORY = Section(
    {
        "name": v.required(REPOSITORY_TEXT, "the line of an apt repository, or a repository's id elsewhere"),
        "humanname": REPOSITORY_TEXT,
        "file": v.PATH,
        "key_url": REPOSITORY_TEXT,
        "aptkey": v.BOOLEAN,
        "baseurl": REPOSITORY_TEXT,
        "mirrorlist": REPOSITORY_TEXT,
        "gpgcheck": v.BOOLEAN,
        "gpgkey": REPOSITORY_TEXT,
        "gpgautoimport": v.BOOLEAN,
        "priority": v.count(1, 99),
        "comments": REPOSITORY_TEXT,
        "packages": Items(v.PACKAGE, "a list of package names"),
        "disable_after_install": v.BOOLEAN,
    }
)

PACKAGES = Items(v.PACKAGE, "a list of package names")


def section() -> Section:
    """The keys of ``package``."""
    return Section(
        {
            "cluster": PACKAGES,
            "crm": PACKAGES,
            "lock": PACKAGES,
            "streams": Items(v.STREAM, "a list of streams of modules"),
            "selinux": PACKAGES,
            "fencing": Section({"agents": PACKAGES, "ipmi": PACKAGES, "sbd": PACKAGES}),
            "quorum": Section({"device": PACKAGES, "server": PACKAGES}),
            **{key: PACKAGES for kind in backends.KINDS.values() for key in kind.packages_of},
            "copy": PACKAGES,
            "filesystem": Section({"xfs": PACKAGES, "ext4": PACKAGES}),
            "firewall": Section(dict.fromkeys(firewalls.BACKENDS, PACKAGES)),
            "database": PACKAGES,
            "tls": PACKAGES,
            "backup": PACKAGES,
            "restic": PACKAGES,
            "further": PACKAGES,
            "versions": Names(v.PACKAGE, v.required(v.VERSION), "a mapping of package names to versions"),
            "hold": v.BOOLEAN,
            "masked_units": Items(v.unit(f"{registry.services()[0]}.service"), "a list of systemd units"),
        }
    )


def derive_packages(config: Config) -> None:
    package = config["package"]
    wanted = [
        *package["cluster"],
        *(package["quorum"]["device"] if config["quorum"]["device"] else []),
        *_fencing_packages(config["fencing"]["devices"], package["fencing"]),
        *package["crm"],
        *backends.packages(config),
        *package["firewall"].get(firewalls.chosen(config["firewall"]["backend"]), []),
        *package["database"],
        *(package["tls"] if config["mysql"]["tls"]["enabled"] else []),
        *(package["backup"] if config["backup"]["enabled"] else []),
        *(package["restic"] if config["backup"]["repository"] else []),
        *package["further"],
        *(package["lock"] if package["hold"] is True else []),
    ]
    temporary = [
        name
        for repo in config["repo"]["repositories"].values()
        if repo["disable_after_install"]
        for name in repo["packages"]
    ]
    package["names"] = [name for name in dict.fromkeys(wanted) if name not in temporary]
    package["owned"] = [name for name in _owned(config) if name in package["names"]]
    package["attended"] = [*package["owned"], *(KERNELS if backends.used(config).module_of_kernel else ())]
    package["hold"] = package["hold"] is True
    versions = package["versions"]
    package["pkgs"] = _with_versions(package["names"], versions)
    package["quorum"]["server"] = _with_versions(package["quorum"]["server"], versions)
    for repository in config["repo"]["repositories"].values():
        repository["packages"] = _with_versions(repository["packages"], versions)


# What the names of Debian's and Ubuntu's packages with a kernel begin with.
KERNELS = ("linux-image-", "linux-modules-")
# What the cluster's own services are called, besides those that are masked for good.
CLUSTER_UNITS = ("corosync.service", "pacemaker.service")


def guarded_units(package: Package) -> set[str]:
    """The services that no script of a package may start or stop."""
    of_firewalls = [unit for firewall in firewalls.BACKENDS.values() for unit in firewall.units]
    return {*CLUSTER_UNITS, *of_firewalls, *package["masked_units"]}


def _owned(config: Config) -> list[str]:
    """The packages that only an update of the cluster may update: what is at work, and what the storage needs of the kernel."""
    package = config["package"]
    wanted = [
        *package["cluster"],
        *(package["quorum"]["device"] if config["quorum"]["device"] else []),
        *_fencing_packages(config["fencing"]["devices"], package["fencing"]),
        *package["crm"],
        *backends.used(config).packages(config),
        *package["database"],
        *(package["backup"] if config["backup"]["enabled"] else []),
    ]
    return list(dict.fromkeys(wanted))


def _with_versions(names: Sequence[str], versions: Mapping[str, str]) -> list[str | dict[str, str]]:
    return [{name: versions[name]} if name in versions else name for name in names]


def _fencing_packages(devices: list[Config], packages: Mapping[str, list[str]]) -> list[str]:
    through_ipmitool = any(device["agent"] in fencing_devices.IPMI_AGENTS for device in devices)
    through_disk = any(device["agent"] == "fence_sbd" for device in devices)
    return [
        *(packages["agents"] if devices else []),
        *(packages["ipmi"] if through_ipmitool else []),
        *(packages["sbd"] if through_disk else []),
    ]


def derive_repositories(config: Config) -> None:
    """Split each repository in what pkgrepo.managed is given, and what is borrowed from it."""
    repositories = config["repo"]["repositories"]
    for name, repository in repositories.items():
        packages, temporary = repository.pop("packages"), repository.pop("disable_after_install") is True
        options = given(repository)
        if str(options.get("name", "")).startswith(("deb ", "deb-src ")):
            options.setdefault("file", f"/etc/apt/sources.list.d/hamysql-{name}.list")
            options.setdefault("aptkey", False)  # keys are files named by signed-by: apt-key is gone
            if re.search(r"\[[^]]*\btrusted=yes\b", options["name"]):
                options["trusted"] = True
        repositories[name] = {"options": options, "packages": packages, "disable_after_install": temporary}


def check_repositories(config: Config, report: Report) -> None:
    for name, repository in config["repo"]["repositories"].items():
        path = f"hamysql:repo:repositories:{name}"
        if repository["disable_after_install"] and not repository["packages"]:
            report.add(f"{path}:packages", "no package", "what to install from it before it is disabled")
        for key, value in repository.items():
            if isinstance(value, str) and "://" in value and "@" in value.partition("://")[2].split("/")[0]:
                report.add(
                    f"{path}:{key}",
                    "a user name or password in an address",
                    "them in /etc/apt/auth.conf.d or the like: repository files can be read by everybody",
                )


def check_packages(config: Config, report: Report) -> None:
    """A version is for a package that hamysql installs, whether this site needs it or not."""
    known = set(
        _names(
            {
                key: value
                for key, value in config["package"].items()
                if key not in ("versions", "streams", "masked_units")
            }
        )
    )
    known |= {name for repository in config["repo"]["repositories"].values() for name in repository["packages"]}
    if report.bad_under("hamysql:repo") or report.bad_under("hamysql:package"):
        return
    for name in config["package"]["versions"]:
        if name not in known:
            report.hints -= 1
            close = closest(name, sorted(map(str, known))) if report.hints >= 0 else None
            nearest = f"{close!r}, the nearest that is, or " if close else ""
            expected = f"{nearest}it in hamysql:package:further as well"
            report.add(f"hamysql:package:versions:{name}", "a package that is not among those to install", expected)


def _names(packages: Any) -> Iterator[str]:
    if isinstance(packages, dict):
        for value in packages.values():
            yield from _names(value)
    elif isinstance(packages, list):
        yield from packages
