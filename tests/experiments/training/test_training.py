"""How the small model is made: examples, their tokens, and a run that goes on where it stopped."""

import itertools
import json
import math
import shutil

import jax
import numpy as np
import pytest
from tokenizers import Tokenizer

from econjax import us_federal
from experiments.training import batches as batching
from experiments.training import train as training
from experiments.training.batches import BatchShape, batch
from experiments.training.curriculum import EVERYTHING, example_mix, examples
from experiments.training.encoding import SINGLE, Encoder
from experiments.training.examples import (
    HELD_OUT_YEAR,
    STATUSES,
    Part,
)
from experiments.training.lives import HELD_OUT_OCCUPATIONS
from experiments.training.losses import answer_loss
from experiments.training.paraphrases import PARAPHRASES, rephrased
from experiments.training.train import TrainConfig, train
from llm_policy.answers.reading import HOURS
from llm_policy.engines.embedded.checkpoint import draw_weights, load_weights
from llm_policy.engines.embedded.engine import SHIPPED_FOLDER
from llm_policy.engines.embedded.llama import Llama, Sizes
from llm_policy.formula import workers as formula
from llm_policy.personas.tables import names
from llm_policy.prompts.numbers import bracket_names
from llm_policy.prompts.segments import (
    Question,
    WorkerLines,
    WorkerQuestion,
    WorkersShared,
    joined,
)

SHAPE = BatchShape(2, 8, 352, 224, 12)
SMALL = Sizes(4096, 32, 1, 1, 32, 8192)
MIX = EVERYTHING._replace(easy=0.5)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(SHIPPED_FOLDER / "tokenizer.json"))


@pytest.fixture(scope="module")
def heard():
    return list(examples(np.random.default_rng(0), [MIX]))


@pytest.fixture(scope="module")
def held_out():
    return list(examples(np.random.default_rng(1), [MIX], held_out=True))


def test_every_task_is_taught(heard, held_out):
    for some in (heard, held_out):
        assert {"labor", "planner", "vote", "stand"} <= {example.task for example in some}


def test_probabilities_are_shares_and_no_answer_begins_another(heard):
    for example in heard:
        assert len({prompt.shared for prompt in example.prompts}) == 1
        assert len(example.prompts) == len(example.answers)
        for part in (part for answer in example.answers for part in answer):
            assert all(chance >= 0 for chance in part.probabilities)
            ordered = sorted(part.texts)
            assert not any(b.startswith(a) for a, b in itertools.pairwise(ordered)) or part.single


def test_examples_show_nothing_that_is_held_out(heard, held_out):
    laws = [us_federal(HELD_OUT_YEAR, status) for status in STATUSES]
    tables = [f"- {bracket_names(np.asarray(law.thresholds))[1]}:" for law in laws]
    titles = names().occupation[::HELD_OUT_OCCUPATIONS]
    others = [wording.held_out for wording in PARAPHRASES.values()]
    texts = [
        f"{prompt.shared}\n{prompt.personal}" for example in heard for prompt in example.prompts
    ]
    assert not any(table in text for text in texts for table in tables)
    assert not any(
        f"Your occupation: {title.lower()}." in text.lower() for text in texts for title in titles
    )
    assert not any(words in text for text in texts for words in others)
    unseen = [
        f"{prompt.shared}\n{prompt.personal}" for example in held_out for prompt in example.prompts
    ]
    assert all(any(words in text for text in unseen) for words in others)


def test_paraphrases_replace_sentences_that_prompts_have(heard):
    text = "\n".join("\n".join(prompt) for example in heard for prompt in example.prompts)
    assert all(words in text for words in PARAPHRASES)


def test_examples_say_the_same_in_many_words():
    def written(segment, word):
        return "\n".join(
            word(old, new) for old, new in PARAPHRASES.items() if new.segment == segment
        )

    def question(word):
        rules, law, advice, asks = (
            written(segment, word) for segment in ("rules", "law", "advice", "question")
        )
        means = WorkerLines(f"I say: {next(iter(PARAPHRASES))}", "1,234 dollars", "")
        shared = WorkersShared(rules, law, "JSON.")
        return Question(shared, WorkerQuestion(means, "", "", advice, asks))

    rng, asked = np.random.default_rng(0), [question(lambda old, _: old)]
    said = {rephrased(rng, asked)[0] for _ in range(200)}
    assert len(said) > 100
    assert {one.personal.worker for one in said} == {asked[0].personal.worker}
    assert not any(
        wording.held_out in text
        for prompt in joined(list(said))
        for text in prompt
        for wording in PARAPHRASES.values()
    )
    assert rephrased(rng, asked, held_out=True) == [question(lambda _, new: new.held_out)]


def test_an_answer_has_one_spelling(tokenizer, heard):
    encoder, rng = Encoder(tokenizer), np.random.default_rng(2)
    for example in heard[::7]:
        script = encoder.write(rng, example)
        for row, answer in zip(script.rows, example.answers, strict=True):
            said = row.tokens[row.places[0] + 1 :]
            if not answer[0].single:
                assert tokenizer.encode(tokenizer.decode(said)).ids == said
                json.loads(tokenizer.decode(said))
    assert all(len(tokenizer.encode(text).ids) == 1 for text in SINGLE)
    assert len(tokenizer.encode("40 hours").ids) > len(tokenizer.encode(" hours").ids) + 1


def test_the_probabilities_of_tokens_multiply_to_those_of_texts(tokenizer):
    part = Part(("0}", "10}", "100}", "20}"), (0.4, 0.3, 0.2, 0.1), said=2)
    encoder = Encoder(tokenizer)
    row = encoder._row(np.random.default_rng(0), [7], (part,))
    said = [*row.tokens[1:], *row.follows[-1]]
    shares = [
        found[token] / sum(found.values()) for found, token in zip(row.follows, said, strict=True)
    ]
    assert math.prod(shares) == pytest.approx(0.2)


def test_the_loss_is_the_divergence_from_the_formula(tokenizer, heard):
    encoder, rng = Encoder(tokenizer), np.random.default_rng(3)
    scripts = [encoder.write(rng, example) for example in heard if example.task == "labor"]
    made = batch(
        [script for script in scripts if SHAPE.holds(script)][: SHAPE.groups], SHAPE, encoder
    )
    weights = draw_weights(SMALL)
    flat = jax.tree.map(np.zeros_like, weights)  # every token is as likely as any
    rows = answer_loss(flat, SMALL, made)
    probabilities = np.where(made.probabilities > 0, made.probabilities, 1.0)
    expected = (made.probabilities * (np.log(probabilities) + np.log(SMALL.vocab_size))).sum(
        axis=(-1, -2)
    )
    np.testing.assert_allclose(rows, expected, rtol=1e-5)


def test_numbers_are_read_digit_by_digit(tokenizer):
    ids = np.array(tokenizer.encode("earn $1,377 a year: 27.07 %, then 0 to 5. No 12").ids)
    found = Encoder(tokenizer).numbers(np.stack([ids, ids[::-1]]))[0]
    told = np.round(found[~np.isnan(found)], 9).tolist()
    assert told[:6] == [
        1,
        1,
        13,
        137,
        1377,
        1377,
    ]  # the comma and what follows go on with the number
    assert told[6:12] == [2, 27, 27, 27, 27.07, 27.07]
    assert (told[12], told[14], told[-1]) == (0, 5, 12)


@pytest.fixture(scope="module")
def drilled():
    return list(examples(np.random.default_rng(4), [EVERYTHING._replace(drilled=1.0)]))


def test_a_course_begins_with_drills_and_ends_with_everything():
    assert example_mix(0.0) == example_mix(0.1) == (1.0, 1.0, 0.0, 0.0)
    assert example_mix(1.0) == (0.04, 0.25, 0.1, 1.0)


def test_a_drill_always_states_a_law_and_a_workers_means_and_the_rest_by_chance(drilled):
    assert len(drilled) > 100
    seen = set()
    for example in drilled:
        assert example.task == "labor"
        assert " %" in example.prompts[0].shared  # a rate, in whatever words
        for prompt, (part,) in zip(example.prompts, example.answers, strict=True):
            assert "Each weekly hour" in prompt.personal
            assert sum(part.probabilities) == pytest.approx(1)
            parts = ("You are ", "Your aim", "Step 0", "hours do")
            seen.add(tuple(text in prompt.personal for text in parts))
    assert len(seen) > 8


def test_workings_are_what_the_probabilities_follow_from(drilled):
    answers = [part for example in drilled for (part,) in example.answers]
    plain = [part for part in answers if part.workings[22] == part.workings[23] == 0]
    assert len(plain) > 100  # no aversion, no fixed cost
    for part in plain:
        kept, effort, (*_, temperature, _skill, _leisure, behind, pull) = np.split(
            part.workings, [11, 22]
        )
        assert (behind, pull) == (
            -1,
            0,
        )  # the first of the hours offered is 0, the last ones were 40
        odds = (kept - effort) / np.exp(temperature) - formula.HABIT * np.abs(
            np.array(HOURS) / 40 - 1
        )
        fits = effort < 3  # where nothing was cut off
        expected = np.log(np.array(part.probabilities)[fits]) - np.log(part.probabilities[4])
        np.testing.assert_allclose((odds - odds[4])[fits], expected, atol=1e-4)


def test_what_follows_from_means_is_what_a_worker_without_attitudes_finds(drilled):
    for example in drilled:
        for (part,), endowment, prompt in zip(
            example.answers, example.endowment, example.prompts, strict=True
        ):
            assert endowment[:11] == pytest.approx(part.workings[:11])
            if "You are " not in prompt.personal:
                assert endowment[11:22] == pytest.approx(part.workings[11:22])


def test_means_end_with_their_last_token(tokenizer, drilled):
    encoder, rng = Encoder(tokenizer), np.random.default_rng(2)
    for example in drilled[::20]:
        for row, prompt in zip(encoder.write(rng, example).rows, example.prompts, strict=True):
            read = tokenizer.decode(row.tokens[: row.means_end + 1]).rstrip()
            told = prompt.personal.partition(" Your aim")[0].partition("Each weekly hour")[2]
            told = told.partition("\n")[0]
            assert read.endswith(told[-30:])


@pytest.fixture(scope="module")
def few_examples(tokenizer):
    """Batches have one shape and wait for nobody; those held out are alike, and made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "BATCH_SHAPES", (SHAPE,))
        patch.setattr(training, "_AHEAD", 1)
        held_out = training._tests(Encoder(tokenizer))
        patch.setattr(training, "_tests", lambda encoder: held_out)
        yield


@pytest.fixture(scope="module")
def course(few_examples, tmp_path_factory):
    """Return the folder of a run that was cut short and went on."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(SHIPPED_FOLDER / name, folder / name)
    for count in (8, 16):
        train(TrainConfig(folder, batches=count, save_every=4, warmup=1), SMALL)
    return folder


def test_a_run_that_was_cut_short_goes_on(course):
    lines = [json.loads(line) for line in (course / "log.jsonl").read_text().splitlines()]
    assert [line["batches"] for line in lines] == [4, 8, 12, 16]
    found = [line["held_out"]["labor"] for line in lines]
    assert found == sorted(found, reverse=True)
    _, sizes = load_weights(course)
    assert sizes == SMALL


def test_training_begins_with_a_model(course, tmp_path):
    second = tmp_path / "second"
    train(TrainConfig(second, begin=course, batches=1, save_every=1, warmup=1, rate=1e-9), SMALL)
    for one, other in zip(
        *(jax.tree.leaves(load_weights(folder)[0]) for folder in (course, second)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
    deep = tmp_path / "deeper"
    deeper = SMALL._replace(num_hidden_layers=3)
    train(TrainConfig(deep, begin=course, batches=1, save_every=1, warmup=1, rate=1e-9), deeper)
    texts = np.arange(12).reshape(1, 2, 6), np.full((1, 2), 6)
    said = [
        Llama(sizes).apply({"params": load_weights(folder)[0]}, *texts)[0]
        for folder, sizes in ((course, SMALL), (deep, deeper))
    ]
    np.testing.assert_allclose(said[0], said[1], atol=1e-5)
    with pytest.raises(ValueError, match="has other sizes"):
        train(
            TrainConfig(tmp_path / "third", begin=course, batches=1),
            SMALL._replace(num_attention_heads=2),
        )
