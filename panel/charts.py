"""Bars over time as SVG, drawn by the server: no script, no style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 960, 200


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of a stacked bar; `css` is the class that colours it."""

    x: int
    y: int
    width: int
    height: int
    css: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    top: int  # what the highest bar stands for
    first: str
    last: str


def stacked(
    labels: Sequence[str], series: Sequence[tuple[str, str, Sequence[int]]]
) -> Chart | None:
    """`series`: name, class and one number for each label. None if all of it is nothing."""
    sums = [sum(numbers[place] for _, _, numbers in series) for place in range(len(labels))]
    top = max(sums, default=0)
    if not top:
        return None
    step = WIDTH / len(labels)
    width = max(1, int(step * 0.8))
    bars = []
    for place, label in enumerate(labels):
        floor = HEIGHT
        for name, css, numbers in series:
            height = round(numbers[place] * HEIGHT / top)
            floor -= height
            if height:
                title = f"{label}: {numbers[place]:,} {name}"
                bars.append(Bar(int(place * step), floor, width, height, css, title))
    return Chart(bars, top, labels[0], labels[-1])
