"""An examination timetable."""

from examplan.checking import check
from examplan.needs import Needs, NeedsError, read_needs
from examplan.planning import NoPlan, plan, replan
from examplan.timetable import read_plan, write_plan

__all__ = ["Needs", "NeedsError", "NoPlan", "check", "plan", "read_needs", "read_plan", "replan", "write_plan"]
