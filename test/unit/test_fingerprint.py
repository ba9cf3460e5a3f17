"""What makes the orchestration synchronise, and what does not."""

from hamysql import fingerprint


def _synced(folder):
    for name in (
        "modules/hamysql.py",
        "states/hamysql_orch.py",
        "utils/hamysql/plan.py",
        "utils/hamysql/a/b/c.py",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return folder


def test_two_copies_of_the_code_have_one_digest(tmp_path):
    here, there = _synced(tmp_path / "master"), _synced(tmp_path / "minion")
    (there / "modules" / "foreign.py").write_text("# not ours\n")
    (there / "utils" / "hamysql" / "plan.pyc").write_text("compiled\n")
    assert fingerprint.code(str(here)) == fingerprint.code(str(there))


def test_a_changed_a_missing_and_a_renamed_file_each_change_it(tmp_path):
    folder = _synced(tmp_path)
    before = fingerprint.code(str(folder))
    plan = folder / "utils" / "hamysql" / "plan.py"
    plan.write_text("# changed\n")
    changed = fingerprint.code(str(folder))
    plan.rename(plan.with_name("plans.py"))
    renamed = fingerprint.code(str(folder))
    plan.with_name("plans.py").unlink()
    assert len({before, changed, renamed, fingerprint.code(str(folder))}) == 4


def test_a_changed_file_of_a_nested_package_changes_it(tmp_path):
    folder = _synced(tmp_path)
    before = fingerprint.code(str(folder)), fingerprint.package(folder / "utils" / "hamysql")
    (folder / "utils" / "hamysql" / "a" / "b" / "c.py").write_text("# changed\n")
    after = fingerprint.code(str(folder)), fingerprint.package(folder / "utils" / "hamysql")
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_pillar_s_digest_depends_on_values_and_not_on_their_order():
    assert fingerprint.pillar({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint.pillar({"b": {"d": 3, "c": 2}, "a": 1})
    assert fingerprint.pillar({"a": 1}) != fingerprint.pillar({"a": 2}) != fingerprint.pillar(None)
