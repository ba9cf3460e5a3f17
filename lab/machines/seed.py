"""What makes a node itself: name, addresses, keys. Laid out as files that the node's lab-init copies at boot.

Keys are made here and handed out, so the master accepts exactly these minions, the minions exactly this master, and ssh exactly
these hosts. Nothing is trusted because it came first.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab.basics.context import Lab
from lab.basics.host import run
from lab.basics.topology import Node

MINION = """\
# made by lab/machines/seed.py at each `up`
master: {master}
id: {name}
# A node comes and goes: look for the master at short intervals.
acceptance_wait_time: 2
auth_timeout: 10
auth_safemode: false
random_reauth_delay: 1
recon_default: 300
recon_max: 2000
recon_randomize: false
tcp_keepalive_idle: 10
tcp_keepalive_intvl: 5
# There is no DNS to ask.
enable_fqdns_grains: false
log_level_logfile: {level}
mine_functions:
  network.ip_addrs: []
"""

SSH = """\
Host {name}
    HostName {address}
    HostKeyAlias {name}
    User root
    IdentityFile {folder}/id
    IdentitiesOnly yes
    # A login costs more than a second in a node: share one.
    ControlMaster auto
    ControlPath {run}/ssh-%n
    ControlPersist 60
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 5
    ServerAliveInterval 3
    ServerAliveCountMax 3
    LogLevel ERROR
"""


def write(lab: Lab, nodes: Sequence[Node]) -> None:
    """Make the keys that are missing and write the master's key store, the ssh configuration, and the seed of these nodes."""
    ssh = lab.dir / "ssh"
    ssh.mkdir(parents=True, exist_ok=True)
    _ssh_key(ssh / "id")
    pki = lab.salt / "pki"
    _rsa_key(pki / "master")
    (pki / "minions").mkdir(exist_ok=True)
    known, config = [], []
    for node in lab.topology.nodes:
        _ssh_key(ssh / f"host-{node.name}")
        if node in lab.topology.minions:
            _rsa_key(lab.salt / "minion-keys" / node.name)
            shutil.copy(lab.salt / "minion-keys" / f"{node.name}.pub", pki / "minions" / node.name)
        known.append(f"{node.name} {(ssh / f'host-{node.name}.pub').read_text()}")
        config.append(SSH.format(name=node.name, address=lab.topology.address(node), folder=ssh, run=lab.run_dir))
        if node in nodes:
            _node_seed(lab, node)
    (ssh / "known_hosts").write_text("".join(known))
    (ssh / "config").write_text("".join(config))


def _node_seed(lab: Lab, node: Node) -> None:
    seed = lab.node_dir(node) / "seed"
    if seed.exists():
        shutil.rmtree(seed)
    ssh, keys = lab.dir / "ssh", lab.salt / "minion-keys"
    copies = {
        "root/.ssh/authorized_keys": ssh / "id.pub",
        "etc/ssh/ssh_host_ed25519_key": ssh / f"host-{node.name}",
        "etc/ssh/ssh_host_ed25519_key.pub": ssh / f"host-{node.name}.pub",
    }
    private = ["etc/ssh/ssh_host_ed25519_key"]
    if node in lab.topology.minions:  # without its key a minion is not started
        copies |= {
            "etc/salt/pki/minion/minion.pem": keys / f"{node.name}.pem",
            "etc/salt/pki/minion/minion.pub": keys / f"{node.name}.pub",
            "etc/salt/pki/minion/minion_master.pub": lab.salt / "pki/master.pub",
        }
        private.append("etc/salt/pki/minion/minion.pem")
    texts = {
        "files/etc/salt/minion": MINION.format(master=lab.topology.master, name=node.name, level=lab.log_level),
        "first/etc/hostname": f"{node.name}\n",
        "first/etc/hosts": _hosts(lab),
        "links": _ip_batch(lab, node),
    }
    for name, text in texts.items():
        _parent(seed / name).write_text(text)
    for name, source in copies.items():
        shutil.copy(source, _parent(seed / "files" / name))
    # They are laid down with owner, group and mode as they are here.
    (seed / "files/root/.ssh").chmod(0o700)
    for name in private:
        (seed / "files" / name).chmod(0o600)


def _ip_batch(lab: Lab, node: Node) -> str:
    """Commands for ``ip -batch``: link N is portN, and ethN upon it.

    A port of User-Mode Linux always has a carrier. The interface upon it loses its own when ``protodown`` is set, as one does whose
    cable is pulled (``lab-cables``).
    """
    lines = ["link set lo up"]
    for number, network in enumerate(lab.topology.networks):
        address = f"{lab.topology.address(node, number)}/{network.length}"
        lines += [
            f"link set vec{number} name port{number}",
            f"link set port{number} addrgenmode none",
            f"link set port{number} up",
            f"link add link port{number} name eth{number} type macvlan mode passthru",
            f"address add {address} dev eth{number}",
            f"link set eth{number} up",
        ]
    return "\n".join([*lines, ""])


def _hosts(lab: Lab) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{lab.topology.address(node)} {node.name}" for node in lab.topology.nodes]
    return "\n".join([*lines, f"{lab.topology.master} salt", ""])


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _ssh_key(path: Path) -> None:
    if not path.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hamysql lab", "-f", path])


def _rsa_key(path: Path) -> None:
    """A key pair as ``salt-key --gen-keys`` makes it: path.pem and path.pub."""
    private, public = path.with_suffix(".pem"), path.with_suffix(".pub")
    if private.exists() and public.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    private.touch(mode=0o400)
    private.write_bytes(text)
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
