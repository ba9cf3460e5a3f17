"""kitchen.yml and kitchen.lab.yml have what the gems want (kitchen-salt 0.7, kitchen-docker 3), and their verifier can fail."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from support import PILLARS, ROOT, load, load_pillar

KITCHEN, LAB = load(ROOT / "kitchen.yml"), load(ROOT / "kitchen.lab.yml")


def test_no_checkout_is_sent_to_docker_and_no_container_is_privileged():
    driver = KITCHEN["driver"]
    assert driver["build_context"] is False
    assert "privileged" not in driver
    assert {"SYS_ADMIN", "NET_ADMIN"} <= set(driver["cap_add"])
    assert {"/run", "/run/lock"} <= set(driver["tmpfs"])


@pytest.mark.parametrize("platform", KITCHEN["platforms"], ids=lambda platform: platform["name"])
def test_an_image_has_a_full_version_of_salt_in_its_name(platform):
    """There are no images of a series alone."""
    name, system = platform["driver"]["image"].split(":")
    assert re.fullmatch(r"saltimages/salt-[0-9]{4}\.[0-9]+-py3", name)
    assert system.replace(".", "") == platform["name"].replace(".", "")


def test_the_formula_is_uploaded_once_whole_and_without_what_python_leaves():
    provisioner = KITCHEN["provisioner"]
    assert provisioner["formula"] == "hamysql"
    assert "is_file_root" not in provisioner, "the modules would be where Salt does not look for them"
    assert (provisioner["salt_install"], provisioner["require_chef"]) == ("none", False)
    # Only hamysql/ and the folders of modules are copied, so names of other folders would filter nothing.
    assert provisioner["salt_copy_filter"] == ["__pycache__"]


def test_the_node_is_one_of_the_pillars():
    assert KITCHEN["driver"]["hostname"] == KITCHEN["provisioner"]["salt_minion_id"] == "db1"
    for suite in KITCHEN["suites"]:
        file = suite["provisioner"]["pillars_from_files"]["hamysql.sls"]
        name = file.removeprefix("test/pillar/").removesuffix(".sls")
        assert name in PILLARS
        assert "db1" in load_pillar(name)["cluster"]["nodes"]


def test_the_labs_node_is_reached_by_ssh_and_has_the_labs_repositories():
    assert LAB["driver"]["name"] == "proxy"
    pillar = load(ROOT / "lab" / "software" / "pillar.sls")["hamysql"]
    assert LAB["driver"]["host"] == pillar["cluster"]["nodes"]["db1"]["addresses"][0]
    assert LAB["transport"]["ssh_key"] == ".lab/ssh/id"
    pillars = LAB["provisioner"]["pillars"]
    assert pillars["top.sls"]["base"]["*"] == ["hamysql", "repositories"]
    assert pillars["repositories.sls"]["hamysql"]["repo"] == pillar["repo"]


def test_a_site_s_own_file_is_not_committed():
    assert "/kitchen.local.yml" in (ROOT / ".gitignore").read_text().splitlines()


STATE = '{{"local": {{"file_|-a_|-a_|-managed": {{"name": "a", "result": {}, "changes": {{}}}}}}}}'
RUNS = [
    (STATE.format("true"), 0, True),
    (STATE.format("null"), 0, False),  # it would change something
    (STATE.format("false"), 2, False),
    (STATE.format("false"), 0, False),
    ('{"local": ["Rendering SLS failed"]}', 1, False),
    ('{"local": {}}', 0, False),  # nothing was converged
    ("", 127, False),
]


@pytest.mark.parametrize("config", [KITCHEN, LAB], ids=["docker", "lab"])
@pytest.mark.parametrize(("printed", "code", "good"), RUNS)
def test_the_verifier_fails_where_a_state_fails_or_would_change_something(config, printed, code, good, tmp_path):
    assert KITCHEN["verifier"]["remote_exec"] is True, "on the machine that runs kitchen there is nothing to look at"
    for name, text in {"salt-call": f"cat <<'E'\n{printed}\nE\nexit {code}", "sudo": 'exec "$@"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    command = config["verifier"]["command"].replace("/tmp/kitchen-second.json", str(tmp_path / "second.json"))
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, check=False)
    assert (done.returncode == 0) is good
    assert "test=True" in command
    assert "--retcode-passthrough" in command
