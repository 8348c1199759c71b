"""Preferences: the utility of one worker over consumption and labor."""

from econjax.preferences.isoelastic import Isoelastic
from econjax.preferences.quasilinear import GHH, Quasilinear
from econjax.utility import AbstractPreferences

__all__ = ["GHH", "AbstractPreferences", "Isoelastic", "Quasilinear"]
