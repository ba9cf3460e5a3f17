"""
The quorum device: its certificates, on the third machine that decides and on the nodes that ask it.

Everything that travels between machines is public: each node makes a key of its own and has a request signed.
"""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hamysql.errors import NotReady
from hamysql.system import files
from hamysql.system.command import run

if TYPE_CHECKING:
    from injected import __salt__

__virtualname__ = "hamysql_quorum"

SERVER = Path("/etc/corosync/qnetd/nssdb")
NODE = Path("/etc/corosync/qdevice/net/nssdb")
UNIT = "corosync-qdevice"
# the names that corosync's own scripts give (corosync-qnetd-certutil(8), corosync-qdevice-net-certutil(8))
AUTHORITY, CERTIFICATE = "QNet CA", "Cluster Cert"


def __virtual__() -> str:
    return __virtualname__


def authority() -> str:
    """
    On the third machine: the certificate of its own authority, as text; it is made where there is none.

    CLI Example:

    .. code-block:: bash

        salt qd1 hamysql_quorum.authority
    """
    if not (SERVER / "cert9.db").exists():
        run(["corosync-qnetd-certutil", "-i"], timeout=300)
    return _certificate(SERVER, AUTHORITY)


def sign(cluster: str, request: str) -> str:
    """
    On the third machine: sign a node's request.

    cluster
        The cluster's name, as in corosync.conf.
    request
        What ``request`` returned on the node.

    Returns the certificate, Base64.

    CLI Example:

    .. code-block:: bash

        salt qd1 hamysql_quorum.sign galaxy-db REQUEST
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "request")
        path.write_bytes(base64.b64decode(request))
        run(["corosync-qnetd-certutil", "-s", "-c", str(path), "-n", cluster], timeout=120)
    return base64.b64encode(files.read(SERVER / f"cluster-{cluster}.crt")).decode()  # the folder is coroqnetd's


def certified(authority: str) -> bool:
    """
    Whether this node has a certificate for its cluster, and trusts the authority that is given.

    authority
        What ``authority`` returned on the third machine.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_quorum.certified AUTHORITY
    """
    return _certificate(NODE, AUTHORITY) == authority.strip() and bool(_certificate(NODE, CERTIFICATE))


def request(authority: str) -> str:
    """
    Make this node's key anew, trust an authority, and return a request to be signed by it, Base64.

    authority
        What ``authority`` returned on the third machine.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_quorum.request AUTHORITY
    """
    cluster = __salt__["hamysql.config"]()["cluster"]["name"]
    if NODE.exists():
        shutil.rmtree(NODE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "authority")
        path.write_text(f"{authority.strip()}\n", encoding="ascii")
        run(["corosync-qdevice-net-certutil", "-i", "-c", str(path)], timeout=120)
    run(["corosync-qdevice-net-certutil", "-r", "-n", cluster], timeout=120)
    return base64.b64encode(files.read(NODE / "qdevice-net-node.crq")).decode()


def install(certificate: str) -> bool:
    """
    Install the certificate that was signed for this node, and have a daemon that runs with the one before start anew.

    certificate
        What ``sign`` returned on the third machine.

    Returns True. Raises ``NotReady`` if there is none afterwards.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_quorum.install CERTIFICATE
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "certificate")
        path.write_bytes(base64.b64decode(certificate))
        run(["corosync-qdevice-net-certutil", "-M", "-c", str(path)], timeout=120)
    # That script also exports key and certificate for other nodes, which have their own.
    (NODE / "qdevice-net-node.p12").unlink(missing_ok=True)
    if not _certificate(NODE, CERTIFICATE):
        raise NotReady(
            f"{NODE} has no certificate {CERTIFICATE!r} although corosync-qdevice-net-certutil has imported one"
        )
    run(["systemctl", "try-restart", UNIT], timeout=120)
    return True


def start() -> bool:
    """
    Have corosync-qdevice run on this node.

    Returns True if it did not run before, False otherwise.

    CLI Example:

    .. code-block:: bash

        salt db1 hamysql_quorum.start
    """
    if run(["systemctl", "is-active", UNIT], accept=(0, 3, 4)).stdout.strip() == "active":
        return False
    run(["systemctl", "start", UNIT], timeout=120)
    return True


def _certificate(folder: Path, name: str) -> str:
    """A certificate of a database as text, "" where it has none."""
    if not os.path.exists(folder / "cert9.db"):
        return ""
    result = run(["certutil", "-L", "-d", str(folder), "-n", name, "-a"], accept=(0, 255))
    return result.stdout.replace("\r", "").strip() if result.returncode == 0 else ""
