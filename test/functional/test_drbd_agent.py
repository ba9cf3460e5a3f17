"""ocf:hamysql:drbd: which cases it takes, and that it leaves every other one to DRBD's own agent (test/cluster has a real DRBD)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import ocf
import pytest

from support import ROOT

AGENT = ROOT / "hamysql" / "storage" / "drbd" / "files" / "drbd-agent.sh"
BY_NAME = AGENT.with_name("drbdadm-by-name.sh")
SUCCESS, UNIMPLEMENTED, CONFIGURED, PROMOTED = 0, 3, 6, 8
STOCK = 42
DTD = "/usr/share/resource-agents/ra-api-1.dtd"
BOTH = "cs:Connected ro:{}/Secondary ds:UpToDate/UpToDate C r-----"
ALONE = "cs:WFConnection ro:{}/Unknown ds:UpToDate/DUnknown C r-----"


class Agent:
    """The agent with the states of a DRBD that are written here, and with programs that only note how they are called."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.drbd(BOTH.format("Secondary"))
        self.program("root/resource.d/linbit/drbd", f'echo "linbit $*" >>{folder}/calls; exit {STOCK}')
        self.program("bin/attrd_updater", f'echo "attrd_updater $*" >>{folder}/calls')
        for wanted in ("primary", "secondary"):
            role = wanted.capitalize()
            (folder / f"as-{wanted}").write_text(f'sed -i "s#ro:[A-Z][a-z]*/#ro:{role}/#" {folder}/drbd')
        self.program("bin/drbdsetup", f'echo "drbdsetup $*" >>{folder}/calls; . {folder}/as-$1')
        ocf.lay_down(folder / "root")
        text = AGENT.read_text()
        self.program("handler", f'echo "handler $DRBD_RESOURCE $DRBD_MINOR $*" >>{folder}/tidied')
        for name, real, ours in (
            ("STATES", "/proc/drbd", "drbd"),
            ("HANDLER", "/usr/lib/hamysql/fence-peer", "handler"),
            ("KNOWN", "/var/lib/drbd", "known"),
            ("KEPT", "/var/lib/hamysql", "kept"),
            ("SETUP", "/lib/drbd/drbdsetup-84", "bin/drbdsetup-84"),
            ("HOST", "/proc/sys/kernel/hostname", "host"),
            ("CALLED", "/sys/module/drbd/parameters/usermode_helper", "called"),
            ("NAMED", "/usr/lib/hamysql/by-name", "named"),
        ):
            text, changed = re.subn(rf"(?m)^{name}={re.escape(real)}(?=$| )", f"{name}={folder}/{ours}", text)
            assert changed == 1
        self.path = folder / "agent"
        self.path.write_text(text)

    def program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def drbd(self, state: str, minor: int = 0) -> None:
        head = "version: 8.4.11 (api:1/proto:86-101)\n"
        (self.folder / "new").write_text(f"{head} {minor}: {state}\n    ns:0 nr:0 dw:0 dr:0\n")
        (self.folder / "new").rename(self.folder / "drbd")

    def run(self, action: str, **parameters: str) -> int:
        self.done = subprocess.run(
            ["sh", str(self.path), action],
            env={
                "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                "OCF_ROOT": str(self.folder / "root"),
                "HA_RSCTMP": str(self.folder),
                "OCF_RESOURCE_INSTANCE": "p_drbd_mysql",
                **{f"OCF_RESKEY_{name}": value for name, value in {"minor": "0", **parameters}.items()},
            },
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return self.done.returncode

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def agent(tmp_path):
    return Agent(tmp_path)


@pytest.mark.parametrize(("state", "code", "score"), [
    (BOTH.format("Primary"), PROMOTED, 10000),
    (ALONE.format("Primary"), PROMOTED, 10000),
    ("cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----", PROMOTED, 10000),
    (BOTH.format("Secondary"), SUCCESS, 10000),
    (ALONE.format("Secondary"), SUCCESS, 1000),
])  # fmt: skip
def test_a_monitor_tells_the_role_and_how_good_a_choice_the_node_is(agent, state, code, score):
    agent.drbd(state)
    assert agent.run("monitor") == code
    assert agent.calls == [f"attrd_updater --name master-p_drbd_mysql --update {score}"]


@pytest.mark.parametrize(
    ("answer", "refreshed"), [(0, []), (105, ["attrd_updater --refresh"]), (6, ["attrd_updater --refresh"]), (102, [])]
)
@pytest.mark.parametrize(("state", "code", "score"), [
    (BOTH.format("Primary"), PROMOTED, 10000),
    (BOTH.format("Secondary"), SUCCESS, 10000),
    (ALONE.format("Secondary"), SUCCESS, 1000),
])  # fmt: skip
def test_a_score_that_the_clusters_configuration_has_lost_is_written_again(
    agent, state, code, score, answer, refreshed
):
    agent.drbd(state)
    agent.program(
        "bin/crm_attribute",
        f'[ "$*" = "--query --quiet --lifetime=reboot --name=master-p_drbd_mysql" ] && exit {answer}',
    )
    assert agent.run("monitor", CRM_meta_interval="30000") == code
    assert agent.calls == [f"attrd_updater --name master-p_drbd_mysql --update {score}", *refreshed]


@pytest.mark.parametrize("state", [
    "cs:WFConnection ro:Secondary/Unknown ds:Consistent/DUnknown C r-----",
    "cs:WFConnection ro:Secondary/Unknown ds:Outdated/DUnknown C r-----",
    "cs:SyncTarget ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----",
    "cs:Connected ro:Primary/Secondary ds:Diskless/UpToDate C r-----",
])  # fmt: skip
@pytest.mark.parametrize("action", ["monitor", "promote"])
def test_a_replica_that_may_be_out_of_date_is_left_to_drbds_own_agent(agent, state, action):
    agent.drbd(state)
    assert agent.run(action) == STOCK
    assert agent.calls == [f"linbit {action}"]


@pytest.mark.parametrize("state", [BOTH, ALONE])
def test_a_replica_that_is_up_to_date_is_promoted_by_one_program(agent, state):
    agent.drbd(state.format("Secondary"))
    assert agent.run("promote") == SUCCESS
    assert agent.calls == ["drbdsetup primary 0"]
    assert agent.run("demote") == SUCCESS
    assert agent.calls[1:] == ["drbdsetup secondary 0"]


def test_the_first_monitor_after_a_promotion_leaves_the_score_to_the_next(agent):
    agent.drbd(ALONE.format("Secondary"))
    assert agent.run("promote") == SUCCESS
    assert agent.run("monitor") == PROMOTED
    assert agent.calls == ["drbdsetup primary 0"]
    assert agent.run("monitor") == PROMOTED
    assert agent.calls[1:] == ["attrd_updater --name master-p_drbd_mysql --update 10000"]


def test_a_promoted_replica_that_has_lost_its_disk_is_looked_at_by_the_first_monitor(agent):
    agent.drbd(ALONE.format("Secondary"))
    assert agent.run("promote") == SUCCESS
    agent.drbd("cs:Connected ro:Primary/Secondary ds:Diskless/UpToDate C r-----")
    assert agent.run("monitor") == STOCK


def test_the_program_for_drbd_84_is_started_without_the_one_that_looks_for_it(agent):
    agent.program("bin/drbdsetup-84", f'echo "drbdsetup-84 $*" >>{agent.folder}/calls; . {agent.folder}/as-$1')
    agent.drbd(ALONE.format("Secondary"))
    assert agent.run("promote") == SUCCESS
    assert agent.calls == ["drbdsetup-84 primary 0"]


LOST = "cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----"
NOTICED = "cs:WFConnection ro:Secondary/Unknown ds:UpToDate/Outdated C r-----"
SHOWN = """\
resource mysql {
    options {
    }
    net {
        timeout         \t9; # 1/10 seconds
        ping-int        \t1; # seconds
        shared-secret   \t"not an address 1;";
        ping-timeout    \t15; # 1/10 seconds
    }
    _remote_host {
        address\t\t\tipv4 10.77.1.12:7788;
    }
    _this_host {
        address\t\t\tipv4 10.77.1.11:7788;
        volume 0 {
            device\t\t\tminor 0;
        }
    }
}
"""
ENDS = "ipv4:10.77.1.11:7788 ipv4:10.77.1.12:7788"


def connected_to_a_lost_primary(agent, shown=SHOWN):
    """DRBD 8.4 notices the loss while it is asked, and then goes on."""
    folder = agent.folder
    agent.drbd(LOST)
    (folder / "shown").write_text(shown)
    (folder / "as-show").write_text(f"cat {folder}/shown")
    (folder / "as-net-options").write_text("exit 0")


def promote(agent):
    return agent.run("promote", drbd_resource="mysql")


@pytest.mark.parametrize(("shown", "ends", "patience"), [
    (SHOWN, ENDS, 15),
    (SHOWN.replace("        ping-timeout    \t15; # 1/10 seconds\n", ""), ENDS, 5),
    (
        SHOWN.replace("ipv4 10.77.1.11", "ipv6 [fd00::11]").replace("ipv4 10.77.1.12", "ipv6 [fd00::12]"),
        "ipv6:[fd00::11]:7788 ipv6:[fd00::12]:7788",
        15,
    ),
], ids=["hamysql's", "DRBD's own", "IPv6"])  # fmt: skip
def test_a_primary_whose_loss_drbd_has_not_noticed_yet_gets_less_time_to_answer_for_one_promotion(
    agent, shown, ends, patience
):
    connected_to_a_lost_primary(agent, shown)
    assert promote(agent) == SUCCESS
    assert agent.calls == [
        "drbdsetup show mysql",
        f"drbdsetup net-options {ends} --ping-timeout=2",
        "drbdsetup primary 0",
        f"drbdsetup net-options {ends} --ping-timeout={patience}",
    ]


def test_a_loss_that_drbd_notices_a_moment_too_late_takes_a_second_promotion(agent):
    connected_to_a_lost_primary(agent)
    (agent.folder / "as-primary").write_text(
        f'grep -q /Unknown {agent.folder}/drbd && exec sed -i "s#ro:[A-Z][a-z]*/#ro:Primary/#" {agent.folder}/drbd\n'
        f'sed -i "s#cs:.*#{NOTICED}#" {agent.folder}/drbd; echo "State change failed: (-7)" >&2; exit 17'
    )
    assert promote(agent) == SUCCESS
    assert agent.calls[2:] == [
        "drbdsetup primary 0",
        f"drbdsetup net-options {ENDS} --ping-timeout=15",
        "drbdsetup primary 0",
    ]
    assert agent.done.stderr == "", "the refusal was expected"


def test_a_primary_that_answers_is_for_drbd_to_judge(agent):
    connected_to_a_lost_primary(agent)
    (agent.folder / "as-primary").write_text("exit 11")
    assert promote(agent) == STOCK
    assert agent.calls[3:] == [
        f"drbdsetup net-options {ENDS} --ping-timeout=15",
        "drbdsetup primary 0",
        "linbit promote",
    ]


@pytest.mark.parametrize("shown", ["", SHOWN.replace("15;", "1;")], ids=["nothing", "a shorter time"])
def test_a_connection_of_which_drbd_says_something_else_is_left_as_it_is(agent, shown):
    connected_to_a_lost_primary(agent, shown)
    (agent.folder / "as-primary").write_text("exit 11")
    assert promote(agent) == STOCK
    assert agent.calls == ["drbdsetup show mysql", "drbdsetup primary 0", "linbit promote"]


def test_a_ping_timeout_that_stays_too_short_is_said(agent):
    connected_to_a_lost_primary(agent)
    (agent.folder / "as-net-options").write_text("case $* in *=15) exit 10 ;; esac")
    assert promote(agent) == SUCCESS
    assert "drbdadm adjust mysql" in agent.done.stderr


@pytest.mark.parametrize(("action", "role", "wanted"), [
    ("promote", "Secondary", "primary"),
    ("demote", "Primary", "secondary"),
])  # fmt: skip
@pytest.mark.parametrize("outcome", ["exit 17", "exit 0"], ids=["refused", "nothing happened"])
def test_what_drbd_does_not_do_is_left_to_its_own_agent(agent, action, role, wanted, outcome):
    agent.drbd(ALONE.format(role))
    (agent.folder / f"as-{wanted}").write_text(outcome)
    assert agent.run(action) == STOCK
    assert agent.calls == [f"drbdsetup {wanted} 0", f"linbit {action}"]


@pytest.mark.parametrize(("action", "role"), [("promote", "Primary"), ("demote", "Secondary")])
def test_what_is_done_already_is_left_to_drbds_own_agent(agent, action, role):
    agent.drbd(BOTH.format(role))
    assert agent.run(action) == STOCK
    assert agent.calls == [f"linbit {action}"]


@pytest.mark.parametrize("action", ["monitor", "promote", "demote"])
def test_another_device_says_nothing_of_this_one(agent, action):
    agent.drbd(BOTH.format("Secondary"), minor=10)
    assert agent.run(action) == STOCK
    assert agent.calls == [f"linbit {action}"]


@pytest.mark.parametrize("action", ["monitor", "promote", "demote"])
@pytest.mark.parametrize("states", [None, "version: 9.1.4 (api:2/proto:86-121)\nTransports (api:17): tcp (9.1.4)\n"])
def test_drbd_9_and_one_that_is_not_loaded_are_left_to_drbds_own_agent(agent, action, states):
    (agent.folder / "drbd").unlink()
    if states:
        (agent.folder / "drbd").write_text(states)
    assert agent.run(action) == STOCK
    assert agent.calls == [f"linbit {action}"]


def test_a_score_that_nobody_takes_is_left_to_drbds_own_agent(agent):
    agent.program("bin/attrd_updater", "exit 1")
    assert agent.run("monitor") == STOCK


@pytest.mark.parametrize("action", ["start", "stop", "notify", "reload", "validate-all"])
def test_all_else_is_drbds_own_agents(agent, action):
    """A stop even with parameters that are wrong: one that fails has its node fenced."""
    assert agent.run(action, minor="") == STOCK
    assert agent.calls == [f"linbit {action}"]


NOTHING = "cs:Unconfigured"


def starts(agent, state, wait=""):
    """A device that is not configured: `drbdadm up` brings it into a state."""
    agent.drbd(NOTHING)
    agent.program("bin/modprobe", f'echo "modprobe $*" >>{agent.folder}/calls')
    agent.program(
        "bin/drbdadm",
        f'echo "drbdadm $*" >>{agent.folder}/calls; [ $1 != up ] || sed -i "s#{NOTHING}#{state}#" {agent.folder}/drbd',
    )
    (agent.folder / "as-wait-connect").write_text(wait)
    return agent.run("start", drbd_resource="mysql")


UP = [
    "drbdadm check-resize mysql",
    "drbdadm up mysql",
    "drbdsetup wait-connect 0 --wfc-timeout=3 --degr-wfc-timeout=3 --outdated-wfc-timeout=3",
]


def test_a_device_that_is_not_configured_is_started_and_scored(agent):
    assert starts(agent, BOTH.format("Secondary")) == SUCCESS
    assert agent.calls == [*UP, "attrd_updater --name master-p_drbd_mysql --update 10000"]


def test_a_peer_that_comes_while_a_start_waits_counts(agent):
    connected = f'sed -i "s#cs:.*#{BOTH.format("Secondary")}#" {agent.folder}/drbd'
    assert starts(agent, "cs:WFConnection ro:Secondary/Unknown ds:Consistent/DUnknown C r-----", connected) == SUCCESS
    assert agent.calls[-1].endswith("--update 10000")


class Grown:
    """An agent's node whose real disk, with real metadata, grows while DRBD is down. Its first and its last blocks are out of sync."""

    BITS = ("0x0000000000000003; 0xFF00000000000000; ", "0x8000000000000000;")

    def __init__(self, agent, folder):
        self.agent, self.image = agent, folder / "image"
        self.image.touch()
        os.truncate(self.image, 320 * 2**20)
        attached = subprocess.run(
            ["losetup", "--find", "--show", self.image], capture_output=True, text=True, check=False
        )
        if attached.returncode:
            pytest.skip(f"no loop device can be had here: {attached.stderr.strip()}")
        self.device = attached.stdout.strip()
        self.note = Path("/var/lib/drbd/drbd-minor-9996.lkbd")
        self.note.unlink(missing_ok=True)
        (agent.folder / "kept").mkdir()
        (agent.folder / "known").symlink_to(self.note.parent)
        self.meta("create-md")
        self.meta("write-dev-uuid", "e7c4c235a46d231d")
        self.meta("set-gi", "949CA4647D747839:32C4AE688FE0A053:0:0:1:1:0:1:0:1:0")
        self.meta("apply-al")
        text = self.meta("dump-md").replace("la-size-sect 0;", "la-size-sect 655128;")
        bits = f"bm {{\n{self.BITS[0]} 1277 times 0x0000000000000000; {self.BITS[1]}\n}}\n"
        (folder / "given").write_text(text[: text.index("bm {")] + bits)
        self.meta("restore-md", str(folder / "given"))
        self.was = self.bits()
        program = f'[ "$1" != sh-ll-dev ] || exec echo {self.device}; echo "drbdadm $*" >>{agent.folder}/calls'
        up = f'[ $1 != up ] || sed -i "s#{NOTHING}#{BOTH.format("Secondary")}#" {agent.folder}/drbd'
        agent.drbd(NOTHING, 9996)
        agent.program("bin/modprobe", "")
        agent.program("bin/drbdadm", f"{program}; {up}")
        # drbdmeta asks the real one whether the device is in use.
        (agent.folder / "bin" / "drbdsetup").rename(agent.folder / "bin" / "drbdsetup-84")
        (agent.folder / "as-wait-connect").write_text("")

    def meta(self, *words):
        argv = ["drbdmeta", "--force", "9996", "v08", self.device, "internal", *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout

    def bits(self):
        """The words of the bitmap that are not zero, and their places."""
        found, place = {}, 0
        for number, word in re.findall(r"(?:(\d+) times )?(0x[0-9A-F]{16});", self.meta("dump-md").split("bm {")[1]):
            if int(word, 16):
                found |= {place + item: word for item in range(int(number or 1))}
            place += int(number or 1)
        return found

    def grow(self):
        os.truncate(self.image, 640 * 2**20)
        subprocess.run(["losetup", "--set-capacity", self.device], check=True)

    def start(self):
        return self.agent.run("start", drbd_resource="mysql", minor="9996")


@pytest.fixture
def grown(agent, tmp_path):
    made = Grown(agent, tmp_path)
    yield made
    subprocess.run(["losetup", "--detach", made.device], check=True)
    made.note.unlink(missing_ok=True)


def test_metadata_follows_a_disk_that_has_grown_and_all_that_the_peer_lacks_is_known_still(grown):
    before = grown.meta("get-gi")
    grown.grow()
    assert grown.start() == SUCCESS, grown.agent.done.stderr
    assert "its metadata follows" in grown.agent.done.stderr
    assert (grown.meta("get-gi"), grown.bits()) == (before, grown.was)
    assert set(grown.was) == {0, 1, 1279}
    assert str(655128) in grown.meta("dump-md")
    grown.meta("apply-al")  # which comes before each attach
    assert grown.bits() == grown.was
    assert list((grown.agent.folder / "kept").iterdir()) == []
    assert not subprocess.run(["losetup", "--associated", grown.device], capture_output=True, check=False).stdout


def test_what_drbdmeta_itself_does_to_the_bitmap_is_why(grown):
    """The day this fails, the program is right, and the agent needs no dump any more."""
    grown.grow()
    grown.meta("check-resize")
    assert grown.bits() != grown.was


def test_a_move_of_the_metadata_that_was_cut_off_is_done_again(grown):
    grown.agent.program("bin/drbdmeta", 'case "$*" in *restore-md*) exit 1 ;; esac; exec /usr/sbin/drbdmeta "$@"')
    grown.grow()
    assert grown.start() == 1
    assert "it is kept in" in grown.agent.done.stderr
    assert not any(call.startswith("drbdadm up") for call in grown.agent.calls)
    (grown.agent.folder / "bin" / "drbdmeta").unlink()
    (kept,) = (grown.agent.folder / "kept").iterdir()
    dump = kept.read_text()
    assert grown.start() == SUCCESS
    assert grown.bits() == grown.was
    # Cut off right before the dump goes, and DRBD has gone on since: an old dump changes nothing any more.
    kept.write_text(dump)
    grown.meta("set-gi", "849CA4647D747839:949CA4647D747839:0:0:1:1:0:1:0:1:0")
    newer = grown.meta("get-gi")
    grown.agent.drbd(NOTHING, 9996)
    assert grown.start() == SUCCESS
    assert (grown.meta("get-gi"), kept.exists()) == (newer, False)


def test_a_disk_that_has_not_grown_and_one_without_metadata_are_left_alone(grown):
    dump = grown.bits()
    assert grown.start() == SUCCESS
    assert (grown.bits(), "follows" in grown.agent.done.stderr) == (dump, False)
    grown.agent.drbd(NOTHING, 9996)
    grown.grow()
    with open(grown.image, "r+b") as file:
        file.truncate(2**20)
        file.truncate(640 * 2**20)
    subprocess.run(["blockdev", "--flushbufs", grown.device], check=True)
    assert grown.start() == SUCCESS
    assert "follows" not in grown.agent.done.stderr


@pytest.mark.parametrize("disk", ["Consistent", "Outdated", "Inconsistent"])
def test_a_replica_that_may_be_out_of_date_is_scored_by_drbds_own_agent(agent, disk):
    assert starts(agent, f"cs:WFConnection ro:Secondary/Unknown ds:{disk}/DUnknown C r-----") == STOCK
    assert agent.calls == [*UP, "linbit monitor"]


@pytest.mark.parametrize("state", [NOTHING, "cs:WFConnection ro:Secondary/Unknown ds:Diskless/DUnknown C r-----"])
def test_a_start_that_goes_wrong_is_tried_by_drbds_own_agent(agent, state):
    assert starts(agent, state) == STOCK
    assert agent.calls == [*UP, "linbit start"]


@pytest.mark.parametrize("state", [BOTH.format("Secondary"), BOTH.format("Primary")])
def test_a_start_of_what_runs_is_left_to_drbds_own_agent(agent, state):
    agent.drbd(state)
    assert agent.run("start", drbd_resource="mysql") == STOCK
    assert agent.calls == ["linbit start"]


@pytest.mark.parametrize(("interval", "code"), [("0", 7), ("30000", STOCK)])
def test_a_probe_of_what_is_not_configured_starts_no_program(agent, interval, code):
    agent.drbd(NOTHING)
    assert agent.run("monitor", CRM_meta_interval=interval) == code
    assert agent.calls == [] if code == 7 else ["linbit monitor"]


@pytest.mark.parametrize(("state", "tidied"), [
    (BOTH.format("Secondary"), True),
    (ALONE.format("Secondary"), True),
    (BOTH.format("Primary"), False),
])  # fmt: skip
def test_a_secondarys_monitor_has_the_handler_tidy_up(agent, state, tidied):
    agent.drbd(state)
    agent.run("monitor", drbd_resource="mysql")
    noted = agent.folder / "tidied"
    assert (noted.read_text() if noted.exists() else "") == ("handler mysql 0 tidy\n" if tidied else "")


def test_a_secondary_that_turns_out_to_be_out_of_date_is_scored_by_drbds_own_agent(agent):
    outdated = "cs:WFConnection ro:Secondary/Unknown ds:Outdated/DUnknown C r-----"
    agent.program("handler", f'sed -i "s#cs:.*#{outdated}#" {agent.folder}/drbd')
    agent.drbd(ALONE.format("Secondary"))
    assert agent.run("monitor", drbd_resource="mysql") == STOCK


@pytest.mark.parametrize("minor", ["", "drbd0", "0;reboot"])
def test_a_minor_that_is_no_number_is_an_error_of_the_configuration(agent, minor):
    assert agent.run("promote", minor=minor) == CONFIGURED
    assert agent.calls == []
    assert "minor" in agent.done.stderr


def test_what_is_no_action_is_not_implemented(agent):
    assert agent.run("migrate_to") == UNIMPLEMENTED


def test_the_meta_data_tell_every_action_and_start_no_program(agent):
    agent.run("meta-data")
    root = ET.fromstring(agent.done.stdout)
    names = {action.get("name") for action in root.iterfind("actions/action")}
    assert names >= {"start", "stop", "promote", "demote", "monitor", "notify", "meta-data", "validate-all"}
    assert [item.get("name") for item in root.iterfind("parameters/parameter") if item.get("required") == "1"] == [
        "drbd_resource",
        "minor",
    ]
    assert agent.calls == []


@pytest.mark.skipif(
    not Path(DTD).exists() or not shutil.which("xmllint"), reason="resource-agents or libxml2-utils is missing"
)
def test_the_meta_data_have_the_form_that_all_agents_have(agent):
    agent.run("meta-data")
    argv = ["xmllint", "--noout", "--dtdvalid", DTD, "-"]
    done = subprocess.run(argv, input=agent.done.stdout, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr


class TestAHostNameThatSomebodyHasChanged:
    """drbdadm finds the machine in drbd.conf by its host name, and DRBD calls it for its handlers."""

    @pytest.fixture(autouse=True)
    def db1(self, agent):
        (agent.folder / "kept").mkdir()
        (agent.folder / "kept/node").write_text("db1\n")
        (agent.folder / "called").write_text("/sbin/drbdadm")
        (agent.folder / "host").write_text("db1.example.org\n")
        agent.program("named/drbdadm", "")

    def called(self, agent, action):
        """What DRBD calls for its handlers after an action; the kernel takes a newline for a part of the name."""
        agent.run(action)
        return (agent.folder / "called").read_text()

    @pytest.mark.parametrize("action", ["monitor", "promote", "demote", "start"])
    def test_drbd_calls_a_drbdadm_that_goes_by_the_cluster_s_name_until_the_stop(self, agent, action):
        assert self.called(agent, action) == f"{agent.folder}/named/drbdadm"
        assert self.called(agent, "stop") == "/sbin/drbdadm"

    def test_what_a_site_has_set_itself_stays(self, agent):
        (agent.folder / "called").write_text("/usr/local/sbin/drbd-helper")
        assert {self.called(agent, action) for action in ("monitor", "stop")} == {"/usr/local/sbin/drbd-helper"}

    def test_without_that_program_drbd_calls_its_own(self, agent):
        assert self.called(agent, "monitor") == f"{agent.folder}/named/drbdadm"
        (agent.folder / "named/drbdadm").unlink()
        assert self.called(agent, "monitor") == "/sbin/drbdadm"

    @pytest.mark.parametrize(("host", "first"), [("db1.example.org", True), ("db1", False)])
    def test_drbds_own_agent_gets_it_where_the_names_differ(self, agent, host, first):
        (agent.folder / "host").write_text(f"{host}\n")
        agent.program("root/resource.d/linbit/drbd", f"echo $PATH >{agent.folder}/path")
        agent.run("stop")
        assert (agent.folder / "path").read_text().startswith(f"{agent.folder}/named:") is first

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can change a host name")
    def test_that_drbdadm_runs_the_handler_and_the_host_name_stays(self, tmp_path):
        """With the real drbdadm, to which this machine is none of the two."""
        (tmp_path / "drbd.conf").write_text(
            """global { usage-count no; }
            resource mysql { device /dev/drbd0; disk /dev/loop7; meta-disk internal;
            handlers { fence-peer "uname -n; exit 7"; }
            on db1 { address 192.0.2.1:7789; } on db2 { address 192.0.2.2:7789; } }"""
        )
        text = BY_NAME.read_text()
        assert "NODE=/var/lib/hamysql/node\n" in text
        (tmp_path / "drbdadm").write_text(text.replace("NODE=/var/lib/hamysql/node\n", f"NODE={tmp_path}/kept/node\n"))
        words = ["--config-file", str(tmp_path / "drbd.conf"), "fence-peer", "mysql"]
        refused, done = (
            subprocess.run([*program, *words], capture_output=True, text=True, check=False)
            for program in (["drbdadm"], ["sh", str(tmp_path / "drbdadm")])
        )
        assert "(for this host)" in refused.stderr
        assert (done.stdout, done.returncode) == ("db1\n", 7)
        assert os.uname().nodename != "db1"
