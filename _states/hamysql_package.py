"""
Packages whose services belong to the cluster: installed without any of them being started or stopped.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from hamysql.config import packages
from hamysql.system import debian, dnf
from hamysql.system.command import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from injected import __grains__, __opts__, __salt__, __states__

__virtualname__ = "hamysql_package"


def __virtual__() -> str:
    return __virtualname__


def installed(
    name: str, pkgs: Sequence[str | dict[str, str]], hold: bool = False, services: Sequence[str] | None = None
) -> dict[str, Any]:
    """
    Have packages installed (``pkg.installed``), with the services of the cluster left alone by their scripts.

    name
        Only a label.
    pkgs
        A list of package names, or of ``{name: version}``.
    hold
        Whether the package manager shall keep them at their version (default: False).
    services
        The units that are left alone, on a machine that is no member (default: those of the cluster).

    .. code-block:: yaml

        hamysql-package-installed:
          hamysql_package.installed:
            - pkgs: [corosync, pacemaker]
    """
    return _guarded(name, lambda: _install(name, pkgs, hold), services)


def borrowed(
    name: str, pkgs: Sequence[str | dict[str, str]], repository: dict[str, Any], hold: bool = False
) -> dict[str, Any]:
    """
    Have packages from a repository that is enabled only while they are being installed, and disabled otherwise.

    name
        Only a label.
    pkgs
        A list of package names, or of ``{name: version}``.
    repository
        The options of ``pkgrepo.managed``.
    hold
        Whether the package manager shall keep them at their version (default: False).

    .. code-block:: yaml

        hamysql-package-from-crmsh-installed:
          hamysql_package.borrowed:
            - pkgs: [crmsh]
            - repository: {name: "deb https://repo.example.org/ha ./", file: /etc/apt/sources.list.d/ha.list}
    """
    wanted = dict(next(iter(package.items())) if isinstance(package, dict) else (package, "*") for package in pkgs)
    there = {package: __salt__["pkg.version"](package) or "" for package in wanted}
    missing = [
        package for package, version in wanted.items() if not (there[package] and fnmatch(there[package], version))
    ]
    if not missing:
        disabled = _repository(repository, enabled=False)
        if disabled["changes"]:
            # Salt's changes of a repository ("disabled", "line") would pass for packages among those of this state.
            disabled["changes"] = {"repo": repository["name"]}
        return _merged(name, [*([_install(name, pkgs, hold)] if hold else []), disabled])
    if __opts__["test"]:
        versions = {package: "installed" if wanted[package] == "*" else wanted[package] for package in missing}
        packages = {package: {"old": there[package], "new": versions[package]} for package in missing}
        comment = f"{', '.join(missing)} would be installed from {repository['name']}, which would be disabled again"
        return {"name": name, "result": None, "changes": packages, "comment": comment}

    def install() -> dict[str, Any]:
        results = []
        try:
            results.append(_repository(repository, enabled=True))
            if results[0]["result"] is not False:
                results.append(_install(name, pkgs, hold))
        finally:
            results.append(_repository(repository, enabled=False))
        return _merged(name, results)

    return _guarded(name, install)


def stream(name: str) -> dict[str, Any]:
    """
    Have a stream of a module enabled, from which dnf then takes its packages.

    Where another stream of the module is enabled, nothing is changed: its packages would get another version of the program.

    name
        The module and its stream.

    .. code-block:: yaml

        hamysql-package-stream-postgresql-enabled:
          hamysql_package.stream:
            - name: postgresql:16
    """
    module, _, wanted = name.partition(":")
    there = dnf.enabled_stream(module)
    ret: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"The stream {name} is enabled."}
    if there == wanted:
        return ret
    if there:
        said = (
            f"found the stream {module}:{there} enabled, expected {name}. Its packages would get another version, and a database "
            f"does not go back to an older one. Correct hamysql:package:streams, or run `dnf module reset {module}`"
        )
        return {**ret, "result": False, "comment": said}
    ret["changes"] = {name: {"old": "", "new": "enabled"}}
    if __opts__["test"]:
        return {**ret, "result": None, "comment": f"The stream {name} would be enabled."}
    dnf.enable_stream(run, module, wanted)
    if dnf.enabled_stream(module) != wanted:
        return {**ret, "result": False, "changes": {}, "comment": f"dnf enabled {name}, and does not say so afterwards"}
    return ret


def _install(name: str, pkgs: Sequence[str | dict[str, str]], hold: bool) -> dict[str, Any]:
    # `hold: False` would release what an administrator holds; only `True` is passed on. What is held gets another version when the
    # pillar names one, and is held again.
    options = {"hold": True, "update_holds": True} if hold else {}
    if __grains__["os_family"] == "Debian":
        # What pacemaker recommends is every fence agent there is, with the SDK of every cloud: half of the installation.
        options["install_recommends"] = False
    return __states__["pkg.installed"](name=name, pkgs=pkgs, **options)


def _repository(repository: dict[str, Any], enabled: bool) -> dict[str, Any]:
    ret = __states__[f"hamysql_repository.{'enabled' if enabled else 'disabled'}"](**repository)
    if ret["result"] is True and enabled:
        __salt__["pkg.refresh_db"]()
    return ret


def _guarded(name: str, act: Callable[[], dict[str, Any]], services: Sequence[str] | None = None) -> dict[str, Any]:
    """Run ``act`` with the guard up; put right what a killed run left, even where nothing is installed."""
    if __grains__["os_family"] != "Debian":
        return act()  # elsewhere, installing a package does not start its services
    mended = {}
    if debian.guard_left_over():
        mended[str(debian.POLICY)] = {"old": "left by an interrupted installation", "new": "as it was before"}
    if debian.dpkg_interrupted():
        mended["dpkg"] = {"old": "interrupted", "new": "what was unpacked is configured"}
    if __opts__["test"]:
        ret = act()
    else:
        own = services is None and packages.guarded_units(__salt__["hamysql.config"]()["package"])
        with debian.quiet_services(own or services or ()):
            if "dpkg" in mended:
                debian.finish_dpkg(run)
            ret = act()
    ret["changes"].update(mended)
    if mended and __opts__["test"] and ret["result"] is True:
        ret["result"] = None
    return ret


def _merged(name: str, results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One return of several states' returns; the last change of a thing counts."""
    ret: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": ""}
    for result in results:
        ret["changes"].update(result["changes"])
        if result["result"] is not True and ret["result"] is not False:
            ret["result"] = result["result"]
    ret["comment"] = "\n".join(str(result["comment"]) for result in results)
    return ret
