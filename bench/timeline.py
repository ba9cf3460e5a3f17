"""Where the time of a failover goes: marks in the journal of the node that took over, and a drawing of them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

# What has to be done one after the other, and the line of the journal that says that it is.
MARKS = {
    "detected": re.compile(r"pacemaker-controld\S* +notice: Node \S+ state is now lost"),
    "fenced": re.compile(r"pacemaker-controld\S* +notice: Peer \S+ was terminated \(\w+\) by"),
    "promoted": re.compile(r"block drbd\d+: role\( Secondary -> Primary \)"),
    "address": re.compile(r"Result of start operation for p_ip_mysql on \S+: ok"),
    "mounted": re.compile(r"Result of start operation for p_fs_mysql on \S+: ok"),
    "database": re.compile(r"Result of start operation for p_mysql on \S+: ok"),
}
SERVED = "served"
LINE = re.compile(r"(?P<time>\d+\.\d+) \S+ (?P<text>.*)")
# Bars and text are as readable on white as on GitHub's near-black; the background is transparent.
COLOURS = {
    "detected": "#8b949e",
    "fenced": "#e5534b",
    "promoted": "#c69026",
    "address": "#6a87e0",
    "mounted": "#2f9e9e",
    "database": "#3fa66b",
    SERVED: "#a371f7",
}
TEXT, GRID = "#737b85", "#737b8555"
# Inches: the picture's width, a part's line, and the room above and below the lines of a row.
WIDTH, ROW, HEAD, FOOT = 5.4, 0.36, 0.75, 0.75
RESERVED = 1.22  # the axis is so much longer than the longest row, for the words behind its last bar


def parts(journal: str, began: float, ended: float) -> dict[str, float]:
    """When each part was over, in seconds since ``began``.

    journal
        ``journalctl -o short-unix`` of the node that took over.
    began, ended
        What was done to the other node, and the first answer after it; seconds since the epoch.

    A part that the journal does not show (no fencing) is left out.
    """
    found: dict[str, float] = {}
    for line in journal.splitlines():
        if (match := LINE.match(line)) is None or not began <= float(match["time"]) <= ended + 5:
            continue
        for name, pattern in MARKS.items():
            if name not in found and pattern.search(match["text"]):
                found[name] = round(float(match["time"]) - began, 2)
    return {**found, SERVED: round(ended - began, 2)}


def svg(rows: Mapping[str, Mapping[str, float]], title: str) -> str:
    """A picture for each row: each part has a line of its own, with a bar from the end of the part before to its own end.

    pacemaker may notice the database after its first client did. The bars have ids: ``ROW PART``.
    """
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    longest = max(max(values.values()) for values in rows.values())
    lines = [len(values) for values in rows.values()]
    height = ROW * sum(lines) + HEAD * (len(lines) - 0.5) + FOOT
    settings = {
        "svg.fonttype": "none",  # text stays text: it can be searched, and is drawn by the reader's own font
        "svg.hashsalt": "hamysql",  # the same results make the same file
        "font.family": "sans-serif",
        "font.size": 13,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), TEXT),
    }
    with mpl.rc_context(settings):
        figure, found = plt.subplots(
            len(rows), 1, sharex=True, squeeze=False, figsize=(WIDTH, height), height_ratios=lines
        )
        axes = [row[0] for row in found]
        for axis, (name, values) in zip(axes, rows.items()):
            _row(axis, name, values, longest)
        axes[-1].set_xlabel(title)
        figure.subplots_adjust(
            left=0.21,
            right=0.98,
            top=1 - HEAD / 2 / height,
            bottom=FOOT / height,
            hspace=len(lines) * HEAD / sum(lines) / ROW,
        )
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _row(axis: Any, name: str, values: Mapping[str, float], longest: float) -> None:
    """One row of the picture: its name, and a line for each part with its words behind the bar."""
    last = 0.0
    parts = sorted(values.items(), key=lambda item: item[1])
    for place, (part, time) in enumerate(parts):
        (bar,) = axis.barh(place, max(0.0, time - last), left=last, height=0.62, color=COLOURS[part])
        bar.set_gid(f"{name} {part}")
        axis.text(max(last, time) + longest * 0.012, place, f"{time:.1f} s", va="center")
        last = max(last, time)
    axis.set_title(name, loc="left", fontsize=14, fontweight="bold")
    axis.set_yticks(range(len(parts)), [part for part, _ in parts])
    axis.set_ylim(len(parts) - 0.5, -0.5)  # the first part on top
    axis.set_xlim(0, longest * RESERVED)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.xaxis.grid(color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(length=0, labelbottom=True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
