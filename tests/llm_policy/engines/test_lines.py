import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.engines import _lines as lines
from llm_policy.engines._lines import Lines

CORPUS = [
    "a\n  b\n\n",
    "a\n b.\n\n\n  .\n",
    "ab  \nb a\n",
    "a\r\nb\r\n\r\n",
    " .\n/a",
    "step 1:\n  step 2\n",
] * 20
BREAKS = [
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
]


def greedy():
    """Return a tokenizer that has learned tokens of several spaces and line breaks."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet)
    )
    return lambda texts: [found.ids for found in tokenizer.encode_batch(list(texts))]


def prefixed(texts):
    """Return characters after a mark of the beginning, as if each text began with a space."""
    return [[0, *map(ord, text)] for text in texts]


def tiny(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return lambda texts: (
        tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    )


@pytest.fixture(scope="module")
def encoders(tiny_model):
    return {"tiny": tiny(tiny_model), "greedy": greedy(), "prefixed": prefixed}


class Spy:
    """Keeps the texts that a tokenizer read."""

    def __init__(self, encode):
        self.encode, self.read = encode, []

    def __call__(self, texts):
        self.read += texts
        return self.encode(texts)


pieces = st.sampled_from(
    ["a", "b", ".", "/", " ", "  ", "step 1:", "é", "\u0301", "7", "\t", *BREAKS]
)
texts = st.lists(st.lists(pieces, max_size=9).map("".join), max_size=6)


@pytest.mark.parametrize("name", ["tiny", "greedy", "prefixed"])
def test_tokens_are_those_of_the_whole_text_whatever_was_read_before(encoders, name):
    encode = encoders[name]
    remembering = Lines(encode)

    @given(texts)
    def check(batch):
        assert remembering.tokens(batch) == encode(batch)

    check()


def test_a_cut_is_not_judged_by_another_with_other_spaces_behind_it(encoders):
    """Two spaces join the line break, one joins the word."""
    remembering = Lines(encoders["greedy"])
    for text in ("a\n b", "a\n  b", "a\n   \nb", "a\n\nb"):
        assert remembering.tokens([text]) == encoders["greedy"]([text])


def test_a_line_that_came_before_is_not_read_again():
    spy = Spy(lambda texts: [list(map(ord, text)) for text in texts])
    remembering = Lines(spy)
    told = "".join(f"Step {n}: {n} hours.\n" for n in range(50))
    remembering.tokens([told, told + "How long?"])
    spy.read.clear()
    assert remembering.tokens([told + "Step 51: 9 hours.\nHow long?"] * 3)[2][-1] == ord("?")
    assert spy.read == ["Step 51: 9 hours.\n"]


@pytest.mark.parametrize(
    "encode", [prefixed, lambda texts: [list(map(ord, text)) for text in texts]]
)
def test_what_is_kept_is_bounded_and_forgotten_lines_are_read_again(monkeypatch, encode):
    """By tokens: where no cut fits, whole texts are kept."""
    monkeypatch.setattr(lines, "_MOST", 500)
    remembering = Lines(encode)
    for n in range(100):
        batch = [f"Text {n}.\nThe same line.\n" + "word " * 20]
        assert remembering.tokens(batch) == encode(batch)
        assert sum(map(len, remembering._known.values())) <= 500 + 150


def test_no_text_has_no_tokens(encoders):
    for encode in encoders.values():
        assert Lines(encode).tokens([]) == []
        assert Lines(encode).tokens([""]) == encode([""])
