"""A server that somebody else has started: what it runs with, as far as the pillar names it, is what its variables say."""

from __future__ import annotations

import pytest

from hamysql.mysql import pending
from hamysql.mysql.flavours.face import Variable

WANT = {"port": ["3306"], "user": ["mysql"], "skip_name_resolve": [""], "innodb_buffer_pool_size": ["1G"], "x": ["1"]}


def variable(value, settable=True, kind="VARCHAR"):
    return Variable(value, kind, settable)


SAME = {
    "port": variable("3306", settable=False),
    "skip_name_resolve": variable("ON"),
    "innodb_buffer_pool_size": variable(str(1024**3)),
    "x": variable("1"),
}


def changed(variables):
    return pending.changed(pending.as_started(WANT, variables), WANT)


def test_a_server_with_the_pillar_s_values_has_nothing_to_take_over():
    assert changed(SAME) == []


@pytest.mark.parametrize(
    ("name", "value"), [("port", "3307"), ("skip_name_resolve", "OFF"), ("innodb_buffer_pool_size", "134217728")]
)
def test_a_variable_with_another_value_is_named(name, value):
    assert changed({**SAME, name: variable(value)}) == [name]


def test_an_option_that_is_no_variable_counts_as_another_one():
    assert changed({name: found for name, found in SAME.items() if name != "x"}) == ["x"]
