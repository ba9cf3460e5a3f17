"""Any pillar whatsoever resolves, or is refused with the one error that lists its problems."""

from __future__ import annotations

import copy
import importlib.util
import json
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from salt.exceptions import CommandExecutionError

from hamysql import fingerprint
from hamysql.config import resolution
from hamysql.config.rules import schema
from hamysql.errors import ConfigError
from hamysql.master import secretfile
from hamysql.master.members import clusters
from hamysql.schema.language import redacted
from support import PARAMETERS, PILLARS, ROOT, load_pillar, parameters, secrets_of

LAYERS = parameters()
WHOLE = [load_pillar(name) for name in PILLARS]
KEYS = sorted(
    {*schema().keys, "nodes", "drbd", "options", "net", "addresses", "db1", "users", "grants", "operations", "on"}
)
WORDS = ["db1", "10.0.0.1", "::1", "10.0.0.0/8", "/dev/sdb", "/", "mysql", "knet", "udp", "\x00", "a'b", "*.*"]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=4),
    st.dates(),
    st.sampled_from(WORDS),
    st.sampled_from(["x" * 100_000, "\ud800", float("nan"), frozenset(), object()]),
)
WILD_KEYS = st.sampled_from(["k" * 100_000, 1.5, (1, "a"), b"key"])
YAMLISH = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=8), st.integers(), st.booleans(), st.none(), WILD_KEYS), inner, max_size=5),
    ),
    max_leaves=20,
)  # fmt: skip
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(pillar: Any) -> dict[str, Any] | ConfigError:
    try:
        return resolution.resolve(resolution.layered(LAYERS, pillar), minion_id="db1", nodename="db1")
    except ConfigError as exc:
        error = exc
    assert error.problems
    assert all(problem.path.startswith("hamysql") and problem.found and problem.expected for problem in error.problems)
    return error


@QUICK
@given(YAMLISH)
def test_any_data_resolves_or_is_refused(pillar):
    outcome(pillar)


@QUICK
@given(st.dictionaries(st.sampled_from(sorted(schema().keys)), YAMLISH))
def test_any_data_below_known_keys_resolves_or_is_refused(pillar):
    outcome(pillar)


@pytest.fixture(scope="module")
def minion() -> ModuleType:
    """The module through which templates and states get the configuration, with a minion's dunders."""
    spec = importlib.util.spec_from_file_location("hamysql_module", ROOT / "_modules" / "hamysql.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__opts__ = {"id": "db1", "saltenv": None}
    module.__grains__ = {"os_family": "Debian", "nodename": "db1"}
    cached = [str(path) for path in PARAMETERS.rglob("*.yaml")]
    module.__salt__ = {"cp.cache_dir": lambda *_, **__: cached}
    return module


@QUICK
@given(st.one_of(YAMLISH, st.dictionaries(st.sampled_from(sorted(schema().keys)), YAMLISH), st.sampled_from(WHOLE)))
def test_a_minion_has_settings_or_the_one_error_and_a_digest_of_it_all(minion, pillar):
    minion.__context__, minion.__pillar__ = {}, {"hamysql": pillar}
    assert fingerprint.pillar(pillar) == fingerprint.pillar(pillar)
    if pillar is None:
        with pytest.raises(CommandExecutionError, match="There is no pillar `hamysql`"):
            minion.settings()
    else:
        with suppress(ConfigError):
            minion.settings()


@QUICK
@given(st.dictionaries(st.text(max_size=4), st.dictionaries(st.sampled_from(["cluster", "x"]), YAMLISH)))
def test_the_clusters_of_any_pillars_can_be_listed_and_their_secrets_counted(pillars):
    for nodes in clusters(pillars).values():
        assert all(isinstance(text, str) for pair in nodes.items() for text in pair)
    for pillar in pillars.values():
        assert secretfile.missing({**pillar, "mysql": pillar.get("x"), "storage": pillar.get("cluster")})


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, item in below for place in places(item, (*path, key)))]


def mutated(pillar: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    pillar = copy.deepcopy(pillar)
    parent = pillar
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return pillar


def telling_secrets(pillar: Any) -> list[str]:
    """The secrets whose text betrays them: long enough, and not also the text of something that may be shown."""
    given_text = repr([*LAYERS, pillar])
    return [secret for secret in secrets_of(pillar) if len(secret) >= 8 and given_text.count(repr(secret)[1:-1]) == 1]


def test_a_secret_is_telling_unless_something_else_has_its_text():
    pillar = {"storage": {"drbd": {"disk": "/dev/sdb", "shared_secret": "/dev/sdb"}}}
    assert telling_secrets(pillar) == []
    pillar["storage"]["drbd"]["shared_secret"] = "canary-secret"
    assert telling_secrets(pillar) == ["canary-secret"]


@settings(QUICK, max_examples=400)
@given(st.data())
def test_a_good_pillar_with_anything_put_anywhere_resolves_or_is_refused(data):
    whole = data.draw(st.sampled_from(WHOLE))
    place = data.draw(st.sampled_from(places(whole)))
    pillar = mutated(whole, place, data.draw(st.one_of(YAMLISH, LEAVES)))
    result = outcome(pillar)
    said = str(result) if isinstance(result, ConfigError) else json.dumps(redacted(result))
    assert not [secret for secret in telling_secrets(pillar) if secret in said or json.dumps(secret)[1:-1] in said]


@settings(QUICK, max_examples=200)
@given(st.data())
def test_a_typing_error_in_a_key_is_told_with_the_key_that_was_meant(data):
    place = data.draw(
        st.sampled_from([place for place in places(WHOLE[0]) if len(place) == 2 and isinstance(place[1], str)])
    )
    section, key = place
    cut = data.draw(st.integers(1, len(key) - 1))
    wrong = key[:cut] + key[cut + 1 :]
    assume(len(key) > 3 and wrong not in schema().keys[section].keys)
    pillar = copy.deepcopy(WHOLE[0])
    pillar[section][wrong] = pillar[section].pop(key)
    result = outcome(pillar)
    assert isinstance(result, ConfigError)
    assert any(p.path == f"hamysql:{section}:{wrong}" and key in p.expected for p in result.problems)


def test_depth_alone_is_no_traceback():
    deep: Any = "end"
    for _ in range(5000):
        deep = [deep]
    outcome({"cluster": deep, "mysql": {"users": deep}})
    for _ in range(5000):
        deep = {"mysql": deep}
    outcome(deep)


HUGE = 10**5000  # its decimal form is an error


@pytest.mark.parametrize(
    "pillar",
    [{HUGE: 1}, {"cluster": HUGE}, {"cluster": {"nodes": {HUGE: {}, "db1": HUGE}}}, {"vip": {"prefix": HUGE}}, {"mysql": {HUGE: HUGE}}],
)  # fmt: skip
def test_a_number_without_end_is_no_traceback(minion, pillar):
    assert isinstance(outcome(pillar), ConfigError)
    minion.__context__, minion.__pillar__ = {}, {"hamysql": pillar}
    with pytest.raises(ConfigError):
        minion.settings()
    clusters({"db1": pillar})


def test_a_bare_on_beside_other_keys_is_no_traceback(minion):
    """YAML 1.1 reads it as a boolean, and keys of different types have no order."""
    pillar = copy.deepcopy(load_pillar("minimal"))
    grants = [{"privileges": ["ALL"], True: "a.*"}]
    pillar["mysql"] = {"users": [{"name": "a", "host": "%", "password": "p", "grants": grants}]}
    minion.__context__, minion.__pillar__ = {}, {"hamysql": pillar}
    assert minion.settings()["mysql"]["users"][0]["grants"][0]["on"] == "a.*"
