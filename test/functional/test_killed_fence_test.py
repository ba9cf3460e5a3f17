"""A fence test that is killed, with pacemaker's own tools on a file: what it leaves, and what puts that right.

Nobody is fenced: ``stonith_admin`` is where the test is killed, and there is no pacemaker that ``crm_resource --wait`` could wait for.
"""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET

import pytest
from minion import load

from hamysql.cib import plan as cib_plan
from hamysql.config import resolution, resources
from hamysql.fencing import devices, proving
from hamysql.system import command
from hamysql.system.command import Result
from support import load_pillar, parameters

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("cibadmin", "crm_resource", "crm_verify"))),
    reason="pacemaker's tools are missing (Debian: pacemaker-cli-utils)",
)
EMPTY = (
    '<cib crm_feature_set="3.15.0" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration>'
    "<crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"
)
SITE = resolution.resolve(resolution.layered(parameters(), load_pillar("fenced")), minion_id="db2", nodename="db2")
ROLE = "target-role"


class Cluster:
    """The module on db2, and the configuration that the pillar makes, in a file."""

    def __init__(self, path):
        self.path, self.dies = path, True
        path.write_text(cib_plan.plan(EMPTY, resources.desired(SITE)).xml)
        self.module = load("_modules/hamysql_fencing.py", "hamysql_fencing_killed")
        self.module.__salt__ = {"hamysql.config": lambda: SITE}
        self.module.run = self.run

    def run(self, argv, **options):
        if argv[0] == "stonith_admin":
            self.seen = self.roles()
            if self.dies:
                raise SystemExit
        if argv[0] == "stonith_admin" or "--wait" in argv:
            return Result(0, "")
        return command.run(argv, **options, env={"CIB_file": str(self.path)})

    def roles(self):
        """The roles of each fence device that has any, as pacemaker's own reader has them."""
        root = ET.fromstring(command.run(["cibadmin", "--query"], env={"CIB_file": str(self.path)}).stdout)
        found = {}
        for device in root.iterfind(".//primitive[@class='stonith']"):
            if pairs := device.findall(f"meta_attributes/nvpair[@name='{ROLE}']"):
                found[device.get("id")] = [pair.get("value") for pair in pairs]
        return found

    def by_hand(self, name, *words):
        self.run(["crm_resource", "--resource", name, "--meta", *words])

    def verify(self):
        command.run(["crm_verify", "--xml-file", str(self.path)])


@pytest.fixture
def cluster(tmp_path):
    return Cluster(tmp_path / "cib.xml")


def kill(cluster, monkeypatch):
    """A test of db1's first level that is killed while db1 is being fenced: nobody is there any more to put it right."""
    with monkeypatch.context() as patched:
        patched.setattr(proving, "back_into_use", lambda run, names: [])
        with pytest.raises(SystemExit):
            cluster.module.prove("db1", 1)


OTHERS = ["p_fence_db1_2", "p_fence_db1_3"]


def test_the_next_fence_test_puts_the_devices_back_into_use(cluster, monkeypatch):
    kill(cluster, monkeypatch)
    assert cluster.roles() == {name: ["Stopped"] for name in OTHERS}
    assert cluster.module.mend() == OTHERS
    assert cluster.roles() == {}
    assert cluster.module.mend() == []
    cluster.verify()


def test_the_next_deployment_puts_the_devices_back_into_use(cluster, monkeypatch):
    kill(cluster, monkeypatch)
    plan = cib_plan.plan(cluster.path.read_text(), resources.desired(SITE))
    assert [change.id for change in plan.changes] == OTHERS
    cluster.path.write_text(plan.xml)
    assert cluster.roles() == {}
    cluster.verify()


def test_a_device_that_an_operator_has_stopped_stays_so_and_no_device_has_two_roles(cluster, monkeypatch):
    cluster.by_hand("p_fence_db1_2", "--set-parameter", ROLE, "--parameter-value", "Stopped")
    kill(cluster, monkeypatch)
    assert cluster.roles() == {name: ["Stopped"] for name in OTHERS}
    assert cluster.module.mend() == ["p_fence_db1_3"]
    assert cluster.roles() == {"p_fence_db1_2": ["Stopped"]}


def test_a_device_that_an_operator_has_started_by_hand_is_stopped_all_the_same(cluster):
    """Of two roles in one set the first one counts: the device would have cut the node off in place of the tested one."""
    cluster.dies = False
    cluster.by_hand("p_fence_db1_3", "--set-parameter", ROLE, "--parameter-value", "Started")
    cluster.module.prove("db1", 1)
    assert cluster.seen == {name: ["Stopped"] for name in OTHERS}
    assert cluster.roles() == {}


def test_what_an_operator_has_decided_meanwhile_stays(cluster, monkeypatch):
    kill(cluster, monkeypatch)
    for words in (["--delete-parameter", ROLE], ["--set-parameter", ROLE, "--parameter-value", "Stopped"]):
        cluster.by_hand("p_fence_db1_2", *words)
    assert cluster.module.mend() == ["p_fence_db1_3"]
    assert cluster.roles() == {"p_fence_db1_2": ["Stopped"]}


def test_killed_between_two_devices_the_first_is_found(cluster, monkeypatch):
    (first, *_), run = OTHERS, cluster.run

    def die(argv, **options):
        if "--set-parameter" in argv and first not in argv:
            raise SystemExit
        return run(argv, **options)

    cluster.module.run = die
    monkeypatch.setattr(proving, "back_into_use", lambda run, names: [])
    with pytest.raises(SystemExit):
        cluster.module.prove("db1", 1)
    assert devices.left_stopped(ET.fromstring(cluster.path.read_text())) == [first]


def test_devices_that_are_to_read_their_secrets_anew_are_as_before(cluster):
    """Any change of the resources has pacemaker register its devices anew; nothing of it stays, and one that somebody stopped is left."""
    names = [device["id"] for device in SITE["fencing"]["devices"] if device["secrets"]]
    before, seen = cluster.path.read_text(), []

    def run(argv, **options):
        done = cluster.run(argv, **options)
        if "--set-parameter" in argv:
            seen.append(cluster.roles())
        return done

    assert proving.reread(run, names) == names[:1]
    assert seen == [{names[0]: ["Started"]}]
    assert cluster.roles() == {}
    assert cluster.path.read_text() != before  # its epoch
    for name in names:
        cluster.by_hand(name, "--set-parameter", ROLE, "--parameter-value", "Stopped")
    assert proving.reread(run, names) == []
    cluster.verify()
