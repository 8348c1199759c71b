from .indexing import US_FEDERAL_STEPS, indexed
from .saved import load_schedule, save_schedule, schedule_from, schedule_parts

__all__ = [
    "US_FEDERAL_STEPS",
    "indexed",
    "load_schedule",
    "save_schedule",
    "schedule_from",
    "schedule_parts",
]
