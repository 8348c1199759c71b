"""Tokens that vLLM is made to say, whose probabilities it gives; loaded in its own process."""

from typing import Any

import torch
from vllm import SamplingParams
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor

FORCED = "econjax_forced"
"""The name, among a request's `extra_args`, of the tokens that its answer begins with."""
PROCESSOR = f"{__name__}:ForcedTokens"
"""The class below, as vLLM is told of it."""


class ForcedTokens(AdapterLogitsProcessor):
    """Leaves nothing to be said but the next of a request's forced tokens, while there is one.

    The scores that vLLM reports are those from before it.
    """

    def is_argmax_invariant(self) -> bool:
        """Return False: another token becomes the likeliest."""
        return False

    def new_req_logits_processor(self, params: SamplingParams) -> Any:
        """Return what forces the tokens of one request, None if there are none."""
        forced = (params.extra_args or {}).get(FORCED)
        if not forced:
            return None

        def force(said: list[int], logits: torch.Tensor) -> torch.Tensor:
            if len(said) < len(forced):
                logits.fill_(-torch.inf)
                logits[forced[len(said)]] = 0.0
            return logits

        return force
