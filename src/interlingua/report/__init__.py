"""Pages that show a run or a data set: self-contained HTML, no library and no request."""

from interlingua.report.data import (
    DataUse,
    DirectionRow,
    Hit,
    Line,
    Panel,
    ReportData,
    RunFacts,
    Skipped,
    StageUse,
    Strip,
    Thing,
    TowerUse,
    View,
)
from interlingua.report.page import render_page, write_report

__all__ = [
    "DataUse",
    "DirectionRow",
    "Hit",
    "Line",
    "Panel",
    "ReportData",
    "RunFacts",
    "Skipped",
    "StageUse",
    "Strip",
    "Thing",
    "TowerUse",
    "View",
    "render_page",
    "write_report",
]
