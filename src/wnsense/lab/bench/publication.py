"""Page of tables and picture of a grid, written from its rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from wnsense.atomic import write_text
from wnsense.lab.bench.bench_picture import PhaseMap, phase_picture, profiles_picture
from wnsense.lab.bench.cells import Cell
from wnsense.lab.bench.comparison import performance_ratios, phase_maps
from wnsense.lab.bench.grid import Grid
from wnsense.lab.bench.rows import Purpose, Row
from wnsense.lab.bench.summary import summary
from wnsense.pages.picture_file import save


def page_names(grid: Grid) -> list[str]:
    """Return the names of the files that `publish` writes."""
    page = f"bench_{grid.name}.md"
    return [page] if grid.is_of_recover_alone else [page, f"bench_{grid.name}.png"]


def publish(grid: Grid, rows: Sequence[Row], facts: Mapping[str, object], directory: Path) -> list[Path]:
    """Write the page and the picture of a grid, and return their paths.

    A grid of several ranks gives maps, any other one gives profiles. A grid of `recover()` alone has no picture.
    """
    page, *pictures = (directory / name for name in page_names(grid))
    write_text(page, summary(rows, facts))
    if not pictures:
        return [page]
    [picture] = pictures
    if len({cell.rank for cell in grid.cells}) > 1:
        figure = phase_picture({name: _as_map(shares) for name, shares in phase_maps(rows).items()})
    else:
        panels = {"as published": performance_ratios(rows, Purpose.DEFAULT)}
        if grid.tuning_seeds:
            panels["baselines tuned"] = performance_ratios(rows, Purpose.TUNED)
        figure = profiles_picture(panels)
    save(figure, picture)
    return [page, picture]


def _as_map(shares: Mapping[Cell, float]) -> PhaseMap:
    """Arrange shares by rank and oversampling; cells that differ in other values are averaged."""
    ranks = tuple(sorted({cell.rank for cell in shares}))
    oversamplings = tuple(sorted({cell.oversampling for cell in shares}))
    success = np.full((len(ranks), len(oversamplings)), np.nan)
    for i, rank in enumerate(ranks):
        for j, oversampling in enumerate(oversamplings):
            here = [s for cell, s in shares.items() if (cell.rank, cell.oversampling) == (rank, oversampling)]
            if here:
                success[i, j] = float(np.mean(here))
    return PhaseMap(oversamplings, ranks, success)
