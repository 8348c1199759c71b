from .correction import Correction, corrected_hours, corrected_shares, fit_correction
from .hours import ask_hours, rational_hours
from .kinks import ask_kinks, bunching_moments, with_own_schedules
from .measure import AskedHours, ask_situations, measure, moments_of, rational_workers
from .published import published_moments
from .referendum import ask_votes, model_votes, votes_by_gain
from .votes import proposed_reform, vote_moments, voting_groups

__all__ = [
    "AskedHours",
    "Correction",
    "ask_hours",
    "ask_kinks",
    "ask_situations",
    "ask_votes",
    "bunching_moments",
    "corrected_hours",
    "corrected_shares",
    "fit_correction",
    "measure",
    "model_votes",
    "moments_of",
    "proposed_reform",
    "published_moments",
    "rational_hours",
    "rational_workers",
    "vote_moments",
    "votes_by_gain",
    "voting_groups",
    "with_own_schedules",
]
