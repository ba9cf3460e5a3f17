"""The third vote: the server of a quorum device runs on a third machine, and each member has a certificate for it."""

from __future__ import annotations

from hamysql.errors import HamysqlError
from hamysql.master import highstate
from hamysql.master.deployment import Deployment
from hamysql.master.highstate import Changes
from hamysql.master.members import Members


def provide(deployment: Deployment) -> Changes:
    """Have the quorum device's server run, and certificates for it on all members; returns the changes.

    Raises ``HamysqlError`` with every state of the third machine that failed.
    """
    settings = deployment.first
    device = settings["quorum"]["device"]
    if not device:
        return {}
    third = server(deployment.members, device["minion_id"])
    repositories = settings["repo"]["repositories"]
    lasting = {key: given["options"] for key, given in repositories.items() if not given["disable_after_install"]}
    pillar = {"hamysql_quorum": {"packages": settings["package"]["quorum"]["server"], "repositories": lasting}}
    third.ask("saltutil.sync_all", patience=60)
    options = {"mods": "hamysql.quorum.server", "pillar": pillar, "test": deployment.test, "queue": True}
    (returned,) = third.ask("state.apply", patience=60, **options).values()
    outcome = highstate.summarise(returned)
    if outcome.failures:
        raise HamysqlError("\n".join(f"{device['minion_id']}: {failure}" for failure in outcome.failures))
    changes: Changes = {device["minion_id"]: dict(outcome.changes)} if outcome.changes else {}
    if not deployment.test:
        for node in certify(deployment.members, third):
            changes[f"{node}'s certificate"] = {"old": None, "new": f"signed by {device['minion_id']}"}
    return changes


def server(members: Members, minion: str) -> Members:
    """The third machine of a quorum device, to be asked like a member."""
    return Members(members.cluster, {"the quorum device's server": minion}, members.call)


def certify(members: Members, third: Members) -> list[str]:
    """Give each member a certificate that the quorum device's server has signed; returns those that had none.

    Each one makes a key of its own, so that no key ever travels.
    """
    (authority,) = third.ask("hamysql_quorum.authority", patience=120).values()
    known = members.ask("hamysql_quorum.certified", authority=authority)
    new = [name for name, certified in known.items() if not certified]
    if new:
        requests = members.ask("hamysql_quorum.request", new, 120, authority=authority)
        for name in new:
            (signed,) = third.ask(
                "hamysql_quorum.sign", patience=120, cluster=members.cluster, request=requests[name]
            ).values()
            members.ask("hamysql_quorum.install", [name], 120, certificate=signed)
    return new
