"""What the pillar may say of one fence device: agents and options with which it cuts a node off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hamysql.schema.language import Report
from hamysql.schema.secretnames import is_secret
from hamysql.schema.values import Config

# Options of a device that hamysql writes itself, and what to set instead.
OWN_OPTIONS = {
    "pcmk_host_list": "the device to be listed under the node that it cuts off",
    "pcmk_host_check": "not to be set: hamysql says which node the device cuts off",
    "pcmk_host_map": "not to be set: give the agent's own option for the outlet, such as plug",
    "pcmk_delay_base": "hamysql:fencing:delay to be set instead",
    "pcmk_delay_max": "hamysql:fencing:delay to be set instead",
    "pcmk_reboot_timeout": "the device's timeout to be set instead",
    "pcmk_off_timeout": "the device's timeout to be set instead",
    "pcmk_on_timeout": "the device's timeout to be set instead",
    "delay": "hamysql:fencing:delay to be set instead",
    "stonith-timeout": "the device's timeout to be set instead",
}

# Agents for tests and for people: they report a node as cut off without doing it, or ask the node itself.
CUTS_NOBODY = frozenset(
    "fence_dummy fence_manual fence_ack_manual fence_nss_wrapper null ssh suicide meatware external/null external/ssh".split()
)


def check_device(device: Config, where: str, report: Report) -> None:
    if str(device["agent"]).lower() in CUTS_NOBODY:
        found, expected = (
            repr(device["agent"]),
            "an agent that cuts off a node that does not answer, such as 'fence_ipmilan'",
        )
        report.add(f"{where}:agent", found, expected)
    for name, value in device["options"].items():
        if name in OWN_OPTIONS:
            report.add(f"{where}:options:{name}", "an option that hamysql writes itself", OWN_OPTIONS[name])
        elif is_secret(name):
            report.add(
                f"{where}:options:{name}",
                "a secret in plain sight",
                f"it under {where}:secrets, from where it goes into a file of the nodes and not into the cluster's configuration",
            )
        elif name in device["secrets"]:
            report.add(f"{where}:secrets:{name}", "an option that is given twice", "it in one place")
        for expected in wrong_option(name, str(value)) if name not in OWN_OPTIONS else ():
            report.add(f"{where}:options:{name}", repr(value), expected)
    _check_twice(device, where, report)
    for name in device["secrets"]:
        if _plain(name).startswith("pcmk_"):
            report.add(f"{where}:secrets:{name}", "an option of pacemaker's", "it under options, if at all")
        elif _plain(name) in ACTIONS:
            report.add(f"{where}:secrets:{name}", "an option that pacemaker gives itself", ACTIONS[_plain(name)])


_TIMES = re.compile(r"[1-9][0-9]*(ms|s|sec|m|min)?")
_COUNTS = re.compile(r"-1|[1-9][0-9]{0,3}")
# Options of pacemaker's own, and the values with which a device still cuts a node off, or its check still says something.
PCMK = {
    "pcmk_reboot_action": ("reboot", "off"),
    "pcmk_off_action": ("off", "reboot"),
    "pcmk_on_action": ("on",),
    "pcmk_list_action": ("list",),
    "pcmk_monitor_action": ("monitor", "status", "list"),
    "pcmk_status_action": ("status",),
    "pcmk_host_argument": ("port", "plug", "nodename", "none"),
}
ACTIONS = {name: "not to be set: pacemaker says what the device has to do" for name in ("action", "option", "o")}


# Options of fence-agents' library, whose agents share them (fencing.py): a switch with another value is ignored without a word.
SWITCHES = frozenset(
    "force_on inet4_only inet6_only lanplus missing_as_off notls port_as_ip quiet secure ssh ssl ssl_insecure ssl_secure "
    "sudo telnet use_sudo verbose".split()
)
_ON, _OFF = ("1", "yes", "on", "true"), ("0", "no", "off", "false")
# Two names of one option each: an agent goes by the one that it reads last.
ALIASES = {
    "ipaddr": "ip",
    "login": "username",
    "passwd": "password",
    "port": "plug",
    "secure": "ssh",
    "sudo": "use_sudo",
}
ALIASES |= {"passwd_script": "password_script", "cmd_prompt": "command_prompt", "debug": "debug_file"}


def _check_twice(device: Config, where: str, report: Report) -> None:
    """Whether an option is given under two names: with ``-`` and ``_``, or an old and a new one."""
    seen: dict[str, str] = {}
    for part in ("options", "secrets"):
        for name in device[part]:
            plain = name.replace("-", "_")
            plain = ALIASES.get(plain, plain)
            if plain in seen and seen[plain] != name:
                report.add(
                    f"{where}:{part}:{name}", f"an option that is given twice: {seen[plain]!r}", "it in one place"
                )
            seen.setdefault(plain, name)


def _plain(name: str) -> str:
    return name.replace("-", "_").lower()


def wrong_option(name: str, value: str) -> Iterator[str]:
    """What is expected instead of an option of a fence device; nothing where it is fine."""
    plain = _plain(name)
    if plain in ACTIONS:
        yield ACTIONS[plain]
    elif plain == "method" and value != "onoff":
        yield "'onoff': with any other one an agent may report a node as cut off before it is (`fence_ipmilan -o metadata`)"
    elif plain == "missing_as_off" and value.lower() not in _OFF:
        yield "'false': with it an outlet that is not there, as after a slip of the pen, counts as one that is off"
    elif plain in SWITCHES and value.lower() not in (*_ON, *_OFF):
        yield "true or false: it is a switch, and the agent ignores any other value"
    elif plain.startswith("pcmk_"):
        own = plain in OWN_OPTIONS
        if name != plain or own:
            yield OWN_OPTIONS[plain] if own else repr(plain)
        elif plain in PCMK:
            if value not in PCMK[plain]:
                yield f"{' or '.join(map(repr, PCMK[plain]))}: any other one reports a node as cut off that is not"
        elif re.fullmatch("pcmk_(list|monitor|status|metadata)_timeout", plain):
            if not _TIMES.fullmatch(value):
                yield "a time, such as '20s'"
        elif re.fullmatch("pcmk_(reboot|off|on|list|monitor|status)_retries|pcmk_action_limit", plain):
            if not _COUNTS.fullmatch(value) or (value == "-1" and plain != "pcmk_action_limit"):
                yield "a number from 1 on"
        else:
            yield f"an option of pacemaker's that hamysql knows: {', '.join(PCMK)}, pcmk_*_retries, pcmk_action_limit"
