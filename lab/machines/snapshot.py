"""Snapshots: the nodes' disks under a name, so that a test can start from "packages installed" or "deployed".

Nodes are shut down for it, their memory is not kept. A snapshot belongs to the image that its disks are based on, and is useless
without it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from lab.basics.context import Lab
from lab.basics.errors import LabError
from lab.basics.host import run
from lab.basics.setup import Setup, read
from lab.machines import node

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def folder(lab: Lab, name: str) -> Path:
    """Where a snapshot is kept."""
    if not NAME.fullmatch(name):
        raise LabError(f"{name!r} cannot be a snapshot's name: letters, digits, dots, dashes and underscores only")
    return lab.cache / "snapshots" / name


def names(lab: Lab) -> list[str]:
    """The snapshots that there are."""
    return sorted(path.name for path in (lab.cache / "snapshots").glob("*") if not path.name.startswith("."))


def exists(lab: Lab, name: str, image_key: str | None = None) -> bool:
    """Is there such a snapshot (of this image)?"""
    mark = folder(lab, name) / "image"
    return mark.exists() and image_key in (None, mark.read_text())


def save(lab: Lab, name: str) -> None:
    """Keep the disks of all nodes. The nodes must be off."""
    on = [item.name for item in lab.topology.nodes if node.power_status(lab, item) != "off"]
    if on:
        raise LabError(f"{', '.join(on)} must be off for a snapshot")
    keys = {node.disks_of(lab, item) for item in lab.topology.nodes}
    if len(keys) != 1 or not all(keys):
        raise LabError(
            "the nodes have no disks yet, or disks of different images: start with `python -m lab up --fresh`"
        )
    target = folder(lab, name)
    work = target.with_name(f".{name}.saving")
    shutil.rmtree(work, ignore_errors=True)
    for item in lab.topology.nodes:
        (work / item.name).mkdir(parents=True)
        _copy(lab.node_dir(item), work / item.name)
    (work / "setup.json").write_text(lab.setup.text())
    (work / "image").write_text(keys.pop())
    shutil.rmtree(target, ignore_errors=True)
    work.rename(target)


def need(lab: Lab, name: str, image_key: str, setup: Setup | None = None) -> None:
    """Raise ``LabError`` unless there is such a snapshot of this image, with this setup if one is given."""
    if not exists(lab, name):
        raise LabError(f"there is no snapshot {name!r}, there are: {', '.join(names(lab)) or 'none'}")
    if not exists(lab, name, image_key):
        raise LabError(f"snapshot {name!r} was made on an image that has changed since: save it again")
    kept = setup_of(lab, name)
    for key, value in asdict(setup or kept).items():
        if (had := getattr(kept, key)) != value:
            raise LabError(f"snapshot {name!r} was made with --{key} {had}, not {value}")


def setup_of(lab: Lab, name: str) -> Setup:
    """The setup that a snapshot was made with."""
    return read(folder(lab, name) / "setup.json")


def restore(lab: Lab, name: str, image_key: str) -> None:
    """Give all nodes the disks of a snapshot. The nodes must be off."""
    need(lab, name, image_key)
    source = folder(lab, name)
    for item in lab.topology.nodes:
        node.forget_disks(lab, item)
        if not (source / item.name).exists():  # a node that was not there yet begins with new disks
            continue
        lab.node_dir(item).mkdir(parents=True, exist_ok=True)
        _copy(source / item.name, lab.node_dir(item))
        (lab.node_dir(item) / "image").write_text(image_key)


def delete(lab: Lab, name: str) -> None:
    """Throw a snapshot away."""
    if not exists(lab, name):
        raise LabError(f"there is no snapshot {name!r}, there are: {', '.join(names(lab)) or 'none'}")
    shutil.rmtree(folder(lab, name))


def fingerprint(paths: Iterable[Path], *further: str) -> str:
    """A short hash of files' names and contents, for the name of a snapshot that depends on them."""
    digest = hashlib.sha256("\0".join(further).encode())
    for path in sorted(paths):
        files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
        for file in files:
            if "__pycache__" not in file.parts:
                digest.update(str(file).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def forget(lab: Lab, wanted: Callable[[str], bool]) -> None:
    """Delete the snapshots whose names are not wanted any more."""
    for name in names(lab):
        if not wanted(name):
            delete(lab, name)


def _copy(source: Path, target: Path) -> None:
    disks = [*source.glob("*.cow"), *source.glob("*.img")]
    run(["cp", "--reflink=auto", "--sparse=always", *disks, f"{target}/"], timeout=300)
