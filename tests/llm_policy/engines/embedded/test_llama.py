import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llm_policy.engines.embedded.llama import Llama, Past, Sizes, load_weights, logits, save_weights

SIZES = Sizes(60, 24, 2, 3, 40, 128)
TOLERANCE = 1e-4
LENGTHS = np.array([[11, 9, 4], [11, 7, 10]])


@pytest.fixture(scope="module")
def weights():
    one = jnp.ones((1, 1), jnp.int32)
    drawn = jax.jit(Llama(SIZES).init)(jax.random.key(0), one[..., None], one)["params"]
    return jax.tree.map(lambda array: (4 * array).astype(jnp.bfloat16).astype(jnp.float32), drawn)


@pytest.fixture(scope="module")
def tokens():
    tokens = np.random.default_rng(0).integers(0, SIZES.vocab_size, (2, 3, 11))
    tokens[:, :, :3] = tokens[:, :1, :3]  # what a group shares
    return tokens


@jax.jit
def read(weights, tokens, length, shared=None, own=None, places=None):
    return Llama(SIZES).apply({"params": weights}, tokens, length, shared, own, places)


def test_weights_are_read_as_they_were_written(weights, tmp_path):
    save_weights(tmp_path, weights, SIZES, {"more": 1})
    again, sizes = load_weights(tmp_path)
    assert sizes == SIZES
    jax.tree.map(np.testing.assert_array_equal, again, dict(weights))
    assert json.loads((tmp_path / "config.json").read_text())["more"] == 1


def test_transformers_finds_the_same_scores_in_the_same_file(weights, tokens, tmp_path):
    import torch
    from transformers import LlamaForCausalLM

    save_weights(tmp_path, weights, SIZES, {})
    model = LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    with torch.no_grad():
        expected = model(torch.tensor(tokens.reshape(6, -1))).logits.numpy()
    states, _ = read(weights, tokens, np.full((2, 3), 11))
    np.testing.assert_allclose(
        logits(weights, states).reshape(expected.shape), expected, atol=TOLERANCE
    )


@pytest.mark.parametrize("change", [{"tie_word_embeddings": False}, {"num_key_value_heads": 1}])
def test_another_kind_of_model_is_refused(weights, tmp_path, change):
    save_weights(tmp_path, weights, SIZES, change)
    with pytest.raises(
        ValueError, match=r"no Llama of the small model's kind .* serve it with vLLM"
    ):
        load_weights(tmp_path)


def test_what_is_shared_and_what_was_read_before_count_as_if_read_now(weights, tokens):
    whole, _ = read(weights, tokens, LENGTHS)
    _, head = read(weights, np.pad(tokens[:, :1, :3], ((0, 0), (0, 0), (0, 2))), np.full((2, 1), 3))
    shared = Past(head.keys[:, :, 0], head.values[:, :, 0], head.length[:, 0])
    states, past = read(weights, tokens[:, :, 3:4], np.ones((2, 3), int), shared)
    np.testing.assert_allclose(states, whole[:, :, 3:4], atol=TOLERANCE)
    room = ((0, 0),) * 3 + ((0, 9), (0, 0), (0, 0))
    own = Past(jnp.pad(past.keys, room), jnp.pad(past.values, room), past.length)
    for place in range(4, 11):
        going = (place < LENGTHS).astype(int)
        states, own = read(weights, tokens[:, :, place : place + 1], going, shared, own)
        np.testing.assert_allclose(
            states[going == 1], whole[:, :, place : place + 1][going == 1], atol=TOLERANCE
        )
    np.testing.assert_array_equal(own.length, LENGTHS - 3)


def test_padding_changes_nothing(weights, tokens):
    padded = np.where(np.arange(11) < LENGTHS[..., None], tokens, 0)
    states, _ = read(weights, tokens, LENGTHS)
    other, _ = read(weights, padded, LENGTHS)
    kept = np.arange(11) < LENGTHS[..., None]
    np.testing.assert_allclose(states[kept], other[kept], atol=TOLERANCE)


def test_states_after_some_tokens_are_those_among_all(weights, tokens):
    places = np.array([[[0, 3], [10, 10], [2, 3]], [[5, 1], [6, 0], [9, 4]]])
    wanted = np.take_along_axis(
        np.asarray(read(weights, tokens, LENGTHS)[0]), places[..., None], axis=2
    )
    states, past = read(weights, tokens, LENGTHS, places=places)
    np.testing.assert_allclose(states, wanted, atol=TOLERANCE)
    _, expected = read(weights, tokens, LENGTHS)
    jax.tree.map(np.testing.assert_array_equal, past.length, expected.length)
    np.testing.assert_allclose(past.values, expected.values, atol=TOLERANCE)
