import itertools

import numpy as np
import pytest

from llm_policy.engines.embedded.batching import SPANS, passes
from llm_policy.engines.embedded.prefixes import BLOCK, Prefixes, packed


def memories(rng, steps, people):
    """Return each step's texts: all begin alike, then each person's own, a line longer a step."""
    head = rng.integers(0, 4, 40).tolist()
    own = [head + rng.integers(0, 4, rng.integers(1, 60)).tolist() for _ in range(people)]
    for _ in range(steps):
        own = [text + rng.integers(0, 4, rng.integers(0, 30)).tolist() for text in own]
        asked = [text + rng.integers(0, 4, rng.integers(0, 20)).tolist() for text in own]
        yield [packed(text) for text in [*asked, *asked[:2], head]]


def blocks(text):
    return [text[start : start + 4 * BLOCK] for start in range(0, len(text), 4 * BLOCK)]


@pytest.mark.parametrize("most", [150, 200, 1000])
def test_what_lies_somewhere_is_what_the_text_says_there(most):
    prefixes, held, known_ends = Prefixes(blocks=4, most=most), {}, {}
    for texts in memories(np.random.default_rng(most), steps=12, people=5):
        found, spans = prefixes.lay(texts, sizes=SPANS)
        for _, wave in itertools.groupby(
            sorted(spans, key=lambda span: span.wave), lambda span: span.wave
        ):
            read = {}
            for span in wave:
                before = b"".join(held[place] for place in span.before)
                assert len(before) == 4 * BLOCK * len(span.before)
                for place, block in zip(span.into, blocks(span.tokens.tobytes()), strict=True):
                    if place >= 0:
                        read[place] = block
                known_ends[span.end] = before + span.tokens.tobytes()
            held |= read
        assert len(prefixes) <= prefixes.blocks <= most
        for text, (places, known) in zip(texts, found, strict=True):
            assert [held[place] for place in places] == blocks(text)
            assert known_ends[places[-1]] == text
            assert known == len(text) // 4 or known % BLOCK == 0


def test_what_is_known_is_the_longest_beginning_in_common():
    prefixes, before = Prefixes(blocks=4, most=1000), []
    for texts in memories(np.random.default_rng(0), steps=4, people=6):
        for text, (_, known) in zip(texts, prefixes.lay(texts, sizes=SPANS)[0], strict=True):
            pairs = [zip(blocks(text), blocks(other), strict=False) for other in before]
            common = max(
                [
                    sum(1 for _ in itertools.takewhile(lambda two: two[0] == two[1], pair))
                    for pair in pairs
                ],
                default=0,
            )
            whole = common == len(blocks(text))
            assert known == (
                len(text) // 4 if whole and text in before else (common - whole) * BLOCK
            )
            before.append(text)


def test_what_was_of_no_use_for_longest_makes_room():
    rng = np.random.default_rng(0)
    first, second, third = (packed(rng.integers(0, 9, 10 * BLOCK)) for _ in range(3))
    prefixes = Prefixes(blocks=1, most=24)
    for text in (first, second, first, third):
        prefixes.lay([text], sizes=SPANS)
    [(_, known)], spans = prefixes.lay([first], sizes=SPANS)
    assert (known, spans) == (10 * BLOCK, [])
    [(_, known)], _ = prefixes.lay([second], sizes=SPANS)
    assert known == 4 * BLOCK  # its later blocks went first


def test_every_span_is_read_once_after_what_comes_before_it():
    rng = np.random.default_rng(0)
    shapes = set()
    prefixes = Prefixes(blocks=8, most=10_000)
    for texts in memories(rng, steps=3, people=60):
        _, spans = prefixes.lay(texts, sizes=SPANS)
        wave = {}
        waves = enumerate(passes(spans, context=1024))
        for number, rows in ((number, rows) for number, some in waves for rows in some):
            shapes.add(rows.tokens.shape)
            for row in np.flatnonzero(rows.length):
                before = rows.before
                common = before.common[: before.common_length // BLOCK].tolist()
                own = before.places[row, : before.length[row] // BLOCK - len(common)].tolist()
                pages = common + own
                key = rows.tokens[row, : rows.length[row]].tobytes(), tuple(pages)
                assert key not in wave
                wave[key] = number, rows.into[row][rows.into[row] >= 0].tolist()
        expected = {(span.tokens.tobytes(), tuple(span.before)): span for span in spans}
        assert wave.keys() == expected.keys()
        written = {place: number for number, places in wave.values() for place in places}
        for key, (number, _) in wave.items():
            assert all(written.get(place, -1) < number for place in expected[key].before)
    assert len(shapes) <= 3
