"""What an engine has read, kept on the device between calls."""

import functools
from collections.abc import Iterator, Sequence

import jax

from llm_policy.engines._host import cache_bytes
from llm_policy.engines.embedded.batching import SPANS, passes
from llm_policy.engines.embedded.forward import Pool, blank, block_bytes, grown, lay, read
from llm_policy.engines.embedded.llama import Sizes, Weights
from llm_policy.engines.embedded.prefixes import FoundBlocks, Prefixes, blocks_of, tokens_in
from llm_policy.engines.embedded.threads import side_by_side

_FIRST_BLOCKS = 1 << 12
_FIRST_BYTES = 400 << 20
_TOLD = 60  # prompts whose answers are told of together


class KnownTexts:
    """Texts that were read, in `pool`, in up to so many bytes of memory.

    If it is not said how many, in a quarter of the device's memory, on a CPU at most 4 GiB.
    """

    def __init__(self, sizes: Sizes, cache_bytes: int | None = None) -> None:
        self._sizes = sizes
        self._cache_bytes = _cache_bytes() if cache_bytes is None else cache_bytes
        self.forget()

    def __len__(self) -> int:
        """Return the number of blocks that are kept."""
        return len(self._prefixes)

    @property
    def pool(self) -> Pool:
        """All that is kept."""
        assert self._pool is not None, "Nothing was read yet."
        return self._pool

    def forget(self) -> None:
        """Begin with nothing read."""
        most = max(
            self._cache_bytes // block_bytes(self._sizes),
            blocks_of(self._sizes.max_position_embeddings),
        )
        first = min(_FIRST_BLOCKS, _FIRST_BYTES // block_bytes(self._sizes))
        self._prefixes = Prefixes(blocks=first, most=most)
        self._pool: Pool | None = None

    def sittings(self, texts: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Yield the texts by turns, of which each fits into the memory and is told of alone."""
        self._prefixes.touch(reversed(texts))  # what comes first is dropped last
        start = blocks = 0
        for stop, text in enumerate(texts):
            more = blocks_of(tokens_in(text))
            if blocks + more > self._prefixes.most or stop - start == _TOLD:
                yield texts[start:stop]
                start, blocks = stop, 0
            blocks += more
        if texts:
            yield texts[start:]

    def read(self, weights: Weights, texts: Sequence[bytes]) -> list[FoundBlocks]:
        """Read what is not known of texts that fit into the memory together."""
        try:
            found, spans = self._prefixes.lay(texts, sizes=SPANS)
            with jax.enable_x64(False):
                pool, blocks = self._pool, self._prefixes.blocks
                pool = blank(self._sizes, blocks=blocks) if pool is None else pool
                if len(pool.states) < blocks:
                    pool = grown(self._sizes, pool, blocks=blocks)
                for wave in passes(spans, context=self._sizes.max_position_embeddings):
                    said = side_by_side(functools.partial(read, weights, self._sizes, pool), wave)
                    for rows, new in zip(wave, said, strict=True):
                        pool = lay(self._sizes, pool, new, rows)
            self._pool = pool
        except BaseException:  # what counts as read was not
            self.forget()
            raise
        return found


def _cache_bytes() -> int:
    """Return a quarter of the memory of what JAX runs on, on a CPU at most 4 GiB."""
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] // 4
    return cache_bytes()
