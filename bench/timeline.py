"""Where the time of a failover goes: marks in the journal of the node that took over, and a drawing of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

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
COLOURS = {
    "detected": "#9aa5b1",
    "fenced": "#d64545",
    "promoted": "#e9b949",
    "address": "#7b93db",
    "mounted": "#54a3a3",
    "database": "#3ebd93",
    SERVED: "#2d6a4f",
}
WIDTH, LEFT, ROW, BAR = 900, 130, 78, 26


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
    """A bar for each row, each part as long as it took. pacemaker may notice the database after its first client did."""
    longest = max(max(values.values()) for values in rows.values())
    scale = (WIDTH - LEFT - 20) / longest
    height = 50 + ROW * len(rows) + 30
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="22" font-size="15">{escape(title)}</text>',
    ]
    for number, (name, values) in enumerate(rows.items()):
        top = 46 + ROW * number
        out.append(f'<text x="10" y="{top + BAR * 0.7:.0f}">{escape(name)}</text>')
        last = 0.0
        for place, (part, time) in enumerate(sorted(values.items(), key=lambda item: item[1])):
            left, width = LEFT + last * scale, max(0.0, time - last) * scale
            out.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{COLOURS[part]}">'
                f"<title>{escape(part)} after {time:.1f} s</title></rect>"
            )
            # Two lines in turn, so that the words of short parts do not cover each other.
            below = top + BAR + 13 + 13 * (place % 2)
            out.append(
                f'<text x="{left + width:.1f}" y="{below}" text-anchor="end" font-size="10">{escape(part)} {time:.1f}</text>'
            )
            last = max(last, time)
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200) if longest / size <= 12)
    bottom = height - 12
    for second in range(0, int(longest) + 1, step):
        x = LEFT + second * scale
        out.append(f'<line x1="{x:.1f}" y1="36" x2="{x:.1f}" y2="{bottom - 12}" stroke="#e0e0e0"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom}" text-anchor="middle" font-size="10">{second} s</text>')
    return "\n".join([*out, "</svg>", ""])
