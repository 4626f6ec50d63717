"""What prefill in integers and with chosen blocks costs in accuracy: tasks, runs of a model, tables and plots."""

from __future__ import annotations

from fastprefill.accuracy.report import Report, Row
from fastprefill.accuracy.runner import Settings, measure
from fastprefill.accuracy.runs import RUNS, Selection
from fastprefill.accuracy.tasks import TASKS

__all__ = ["RUNS", "TASKS", "Report", "Row", "Selection", "Settings", "measure"]
