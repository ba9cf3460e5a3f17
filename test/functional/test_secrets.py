"""A canary in every secret of the pillar, looked for wherever a real master and minion leave something."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import certificates
import pytest
from salt_node import pillar_root, serve

from support import load_pillar, secrets_of

PILLAR = load_pillar("ipv6")
PILLAR["pacemaker"]["configure"] = (
    "primitive p_x ocf:heartbeat:Dummy params fake=canary-in-crm-text op monitor interval=9s timeout=9s"
)
TLS = certificates.pair()
PILLAR.setdefault("mysql", {})["tls"] = TLS


@pytest.fixture(scope="module")
def site(salt_factories, tmp_path_factory):
    """A master that serves the formula, and its minion db1, both logging at debug level."""
    folder = tmp_path_factory.mktemp("site")
    loud = {"log_level_logfile": "debug", "enable_gpu_grains": False, "enable_fqdns_grains": False}
    master = salt_factories.salt_master_daemon(
        "secrets-master",
        defaults={
            **loud,
            "interface": "127.0.0.1",
            "file_roots": {"base": [str(serve(folder / "states"))]},
            "pillar_roots": {"base": [str(pillar_root(folder / "pillar", PILLAR))]},
        },
    )
    minion = master.salt_minion_daemon("db1", defaults={**loud, "grains": {"nodename": "db1"}})
    with master.started(), minion.started():
        run = partial(master.salt_client().run, minion_tgt="db1")
        assert "modules.hamysql" in run("saltutil.sync_all")["modules"]
        yield master, minion, run


JOBS = [
    ("hamysql.settings",),
    ("hamysql_node.survey",),
    ("hamysql_tls.judge",),
    ("hamysql_tls.pending",),
    ("state.show_sls", "hamysql"),
    ("state.show_low_sls", "hamysql"),
    ("state.apply", "hamysql", "test=True"),  # renders every template; changes nothing on this machine
]


def test_no_secret_leaves_the_minions_process(site):
    master, minion, run = site
    canaries = [secret for secret in secrets_of(PILLAR) if "canary" in secret]
    assert len(canaries) == 3
    key = TLS["key"].splitlines()[1:-1]
    for function, *arguments in JOBS:
        done = run(function, *arguments)
        assert isinstance(done, dict) or all(isinstance(chunk, dict) for chunk in done), done
        assert "canary" not in json.dumps(done), function
        assert not [line for line in key if line in json.dumps(done)], function
    refused = run("hamysql.config")
    assert "hamysql.settings" in refused
    assert "canary" not in refused

    left = [Path(daemon.config["log_file"]) for daemon in (master, minion)]
    assert all(log.stat().st_size > 10_000 and "[DEBUG" in log.read_text() for log in left), (
        "the logs are at debug level"
    )
    left += [path for path in (Path(master.config["cachedir"]) / "jobs").rglob("*") if path.is_file()]
    left += [path for path in Path(minion.config["cachedir"]).rglob("*") if path.is_file()]
    assert len(left) > 20
    secrets = [b"canary", *map(str.encode, key)]
    found = [str(path) for path in left if any(secret in path.read_bytes() for secret in secrets)]
    assert found == []
