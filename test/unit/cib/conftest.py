"""What the tests of the cluster configuration share: the lab's desired state, CIBs, and pacemaker's real tools on a file.

``CIB_file`` makes cibadmin, crm_diff, crm_verify, crm_simulate and crm work on a file instead of a cluster.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from hamysql.config import resources as config_resources
from hamysql.system.command import Result, run
from support import ROOT

FIXTURES = Path(__file__).parent / "fixtures"


# Times that the tests can name, whatever the formula's defaults are tuned to.
OPERATIONS = {
    "p_ip_mysql": {"start": "20s", "stop": "20s", "monitor": ("30s", "20s")},
    "p_drbd_mysql": {
        "start": "240s",
        "stop": "180s",
        "promote": "180s",
        "demote": "180s",
        "notify": "90s",
        "monitor_promoted": ("29s", "20s"),
        "monitor_unpromoted": ("30s", "20s"),
    },
    "p_fs_mysql": {"start": "60s", "stop": "180s", "monitor": ("60s", "60s")},
    "p_mysql": {"start": "300s", "stop": "120s", "monitor": ("20s", "10s")},
}


@pytest.fixture
def lab() -> dict[str, Any]:
    """The resolved configuration of the lab, with the formula's own defaults."""
    return json.loads((ROOT / "test/unit/config/fixtures/lab.json").read_text(encoding="utf-8"))


@pytest.fixture
def site(lab: dict[str, Any]) -> dict[str, Any]:
    """The same with the operations' times above, and without fence devices and what is in placement.py, which have tests of their own."""
    lab["vip"]["watch"] = lab["pacemaker"]["hand_over"] = False
    lab["fencing"].update(devices=[], levels={}, enabled=False)
    for name in ("stonith-timeout", "priority-fencing-delay"):
        del lab["pacemaker"]["properties"][name]
    lab["pacemaker"]["properties"]["stonith-enabled"] = "false"
    lab["pacemaker"]["operations"] = {
        resource: {
            name: {"timeout": times} if isinstance(times, str) else {"interval": times[0], "timeout": times[1]}
            for name, times in operations.items()
        }
        for resource, operations in OPERATIONS.items()
    }
    return lab


@pytest.fixture
def desired(site: dict[str, Any]) -> ET.Element:
    return config_resources.desired(site)


@pytest.fixture
def fixture() -> Callable[[str], str]:
    """The text of a file under test/unit/cib/fixtures."""
    return lambda name: (FIXTURES / name).read_text(encoding="utf-8")


def cib_text(resources: str = "", constraints: str = "", rest: str = "", schema: str = "pacemaker-3.9") -> str:
    settings = rest if "<crm_config" in rest else f"<crm_config/>{rest}"
    return (
        f'<cib crm_feature_set="3.16.1" validate-with="{schema}" epoch="7" num_updates="3" admin_epoch="0">'
        f"<configuration>{settings}<nodes/><resources>{resources}</resources>"
        f"<constraints>{constraints}</constraints></configuration><status/></cib>"
    )


@pytest.fixture
def make_cib() -> Callable[..., str]:
    """A small CIB around the given resources, constraints and further sections."""
    return cib_text


class Tools:
    """Pacemaker's own tools on a CIB file; ``commands`` is every command line that went through ``run``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commands: list[tuple[str, ...]] = []
        self.before: Callable[[Sequence[str]], None] = lambda argv: None

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")

    def read(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def edit(self, old: str, new: str) -> None:
        """Somebody else changes the configuration, and pacemaker counts an epoch."""
        text = self.read()
        assert old in text
        epoch = ET.fromstring(text).get("epoch", "")
        self.write(text.replace(old, new).replace(f'epoch="{epoch}"', f'epoch="{int(epoch) + 1}"', 1))

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60,
        accept: Collection[int] = (0,),
        env: dict[str, str] | None = None,
    ) -> Result:
        self.before(argv)
        self.commands.append(tuple(argv))
        return run(argv, stdin=stdin, timeout=timeout, accept=accept, env={"CIB_file": str(self.path), **(env or {})})

    @property
    def names(self) -> list[str]:
        return [argv[0] for argv in self.commands]


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    missing = [name for name in ("cibadmin", "crm_diff", "crm_verify", "crm_simulate", "crm") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (packages pacemaker-cli-utils and crmsh)")
    made = Tools(tmp_path / "cib.xml")
    made.write(made.run(["cibadmin", "--empty"]).stdout)
    made.commands.clear()
    return made


@pytest.fixture
def fake() -> Callable[..., SimpleNamespace]:
    """A ``run`` that answers from a table {program: Result}; what was asked is in ``.commands``."""

    def make(table: dict[str, Result]) -> SimpleNamespace:
        commands: list[tuple[str, ...]] = []

        def answer(argv: Sequence[str], **options: Any) -> Result:
            commands.append(tuple(argv))
            result = table[argv[0]]
            assert result.returncode in options.get("accept", (0,)), (
                f"{argv} does not expect exit code {result.returncode}"
            )
            return result

        return SimpleNamespace(run=answer, commands=commands)

    return make


@pytest.fixture
def changed(site: dict[str, Any]) -> Callable[[Callable[[dict[str, Any]], None]], ET.Element]:
    """The desired state of the lab's configuration after a change to it."""

    def make(change: Callable[[dict[str, Any]], None]) -> ET.Element:
        other = copy.deepcopy(site)
        change(other)
        return config_resources.desired(other)

    return make


@pytest.fixture
def load_module() -> Callable[..., ModuleType]:
    """Load `_modules/NAME.py` or `_states/NAME.py` as Salt would, with its dunders; both kinds share their names."""

    def load(kind: str, name: str, **dunders: Any) -> ModuleType:
        path = Path(__file__).parents[3] / kind / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"{kind}.{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        vars(module).update(dunders)
        spec.loader.exec_module(module)
        return module

    return load
