from .correction import Correction, corrected_hours, corrected_shares, fit_correction
from .hours import ask_hours, rational_hours
from .kinks import ask_kinks, bunching_moments, with_own_schedules
from .measure import AskedHours, ask_situations, measure, moments_of, rational_workers
from .published import published_moments

__all__ = [
    "AskedHours",
    "Correction",
    "ask_hours",
    "ask_kinks",
    "ask_situations",
    "bunching_moments",
    "corrected_hours",
    "corrected_shares",
    "fit_correction",
    "measure",
    "moments_of",
    "published_moments",
    "rational_hours",
    "rational_workers",
    "with_own_schedules",
]
