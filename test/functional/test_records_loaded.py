"""The modules of checkpoints and reports, as Salt's own loader has them; the order of the highstate's states."""

from __future__ import annotations


def test_the_modules_load_and_say_what_they_have(node):
    minimal = node("minimal")
    assert isinstance(minimal.call("hamysql_checkpoint.list"), list)
    assert "corosync.journal" in minimal.call("hamysql_report.sources")
    assert isinstance(minimal.call("hamysql_checkpoint.show"), dict)


def test_what_there_is_is_kept_before_the_first_file_is_written(node):
    order = [chunk["__id__"] for chunk in node("minimal").low()]
    kept = order.index("hamysql-checkpoint-kept")
    assert order.index("hamysql-change-possible") < kept
    for later in ("corosync-config-file", "drbd-resource-config-file", "mysql-config-file"):
        assert kept < order.index(f"hamysql-{later}-managed")
