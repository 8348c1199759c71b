"""Checks of certificates that need to know who answers, before anybody is asked."""

from collections.abc import Sequence

from econjax import Economy
from experiments.core.config import FORMULA
from experiments.report.console import mistakes
from experiments.validity.certificates import require_same_hours, require_same_model
from experiments.validity.config import CertifiedConfig, is_corrected
from llm_policy.engines.base import EngineInfo
from llm_policy.workers.llm import hours_on_offer


def check_certificates(
    config: CertifiedConfig, who: Sequence[EngineInfo | None], economy: Economy
) -> None:
    """Check that corrections and certificates are of models that work; None is the formula.

    Raises:
        Mistake: one is of another model, or a correction of other hours than those on offer.
    """
    models = [FORMULA if info is None else info.model for info in who]
    with mistakes():
        for certificate in config.certificates():
            require_same_model(f"The certificate {certificate.of.name}", certificate, models)
        for name in filter(is_corrected, config.kinds):
            corrected = config.correction_of(name)
            assert corrected is not None, "it is named so"
            require_same_hours(name, corrected, hours_on_offer(economy))
