import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from llm_policy.engines.embedded.checkpoint import draw_weights, load_weights, save_weights
from llm_policy.engines.embedded.llama import Llama, Past, Sizes, logits
from llm_policy.engines.embedded.rotary import Stretch

SIZES = Sizes(60, 24, 2, 6, 40, 128)
FAMILY = {
    "as many keys as heads": SIZES,
    "grouped": SIZES._replace(num_key_value_heads=2),
    "one key": SIZES._replace(num_key_value_heads=1, head_size=8),
    "own output": SIZES._replace(num_key_value_heads=3, tie_word_embeddings=False),
    "biases": SIZES._replace(query_bias=True, output_bias=True, mlp_bias=True),
    "qwen2": SIZES._replace(query_bias=True, num_key_value_heads=2),
    "linear": SIZES._replace(rope_theta=500.0, rope_scaling=Stretch("linear", 4.0)),
    "llama3": SIZES._replace(rope_scaling=Stretch("llama3", 8.0, 1.0, 4.0, 16)),
}
SOME = pytest.mark.parametrize("sizes", ["as many keys as heads", "grouped"], indirect=True)
TOLERANCE = 1e-4
LENGTHS = np.array([[11, 9, 4], [11, 7, 10]])


@functools.cache
def drawn(sizes):
    """Return weights that bfloat16 holds, none of them 0."""
    weights = draw_weights(sizes)
    leaves, tree = jax.tree.flatten(weights)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    loud = [
        (2 * leaf + 0.02 * jax.random.normal(key, leaf.shape)).astype(jnp.bfloat16)
        for key, leaf in zip(keys, leaves, strict=True)
    ]
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), tree.unflatten(loud))


@pytest.fixture(scope="module", params=FAMILY)
def sizes(request):
    return FAMILY[request.param]


@pytest.fixture(scope="module")
def weights(sizes):
    return drawn(sizes)


@pytest.fixture(scope="module")
def tokens():
    tokens = np.random.default_rng(0).integers(0, SIZES.vocab_size, (2, 3, 11))
    tokens[:, :, :3] = tokens[:, :1, :3]  # what a group shares
    return tokens


@pytest.fixture(scope="module")
def read(sizes, weights):
    """Return a function from tokens to states and past."""

    @jax.jit
    def read(tokens, length, shared=None, own=None, places=None):
        return Llama(sizes).apply(
            {"params": weights}, tokens, length, shared=shared, own=own, places=places
        )

    return read


def test_weights_are_read_as_they_were_written(sizes, weights, tmp_path):
    save_weights(tmp_path, weights, sizes, {"more": 1})
    again, found = load_weights(tmp_path)
    assert found == sizes
    jax.tree.map(np.testing.assert_array_equal, again, dict(weights))
    assert json.loads((tmp_path / "config.json").read_text())["more"] == 1


def test_transformers_finds_the_same_scores_in_the_same_file(
    sizes, weights, read, tokens, tmp_path
):
    import torch
    from transformers import AutoModelForCausalLM

    save_weights(tmp_path, weights, sizes, {})
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    with torch.no_grad():
        expected = model(torch.tensor(tokens.reshape(6, -1))).logits.numpy()
    states, _ = read(tokens, np.full((2, 3), 11))
    np.testing.assert_allclose(
        logits(weights, states).reshape(expected.shape), expected, atol=TOLERANCE
    )


@pytest.mark.parametrize("numbers", ["float32", "float16", "bfloat16"])
def test_weights_may_be_in_several_files_and_other_numbers(tmp_path, numbers):
    sizes, weights = FAMILY["own output"], drawn(FAMILY["own output"])
    save_weights(tmp_path, weights, sizes, {})
    tensors = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    homes = {name: f"part-{place % 3}.safetensors" for place, name in enumerate(tensors)}
    for home in set(homes.values()):
        part = {name: tensors[name].astype(numbers) for name in tensors if homes[name] == home}
        save_file(part, tmp_path / home)
    index = json.dumps({"weight_map": homes})
    (tmp_path / "model.safetensors.index.json").write_text(index)
    again, _ = load_weights(tmp_path)
    for leaf, expected in zip(jax.tree.leaves(again), jax.tree.leaves(weights), strict=True):
        np.testing.assert_array_equal(leaf, expected.astype(numbers))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(again))
    (tmp_path / "part-1.safetensors").unlink()
    with pytest.raises(ValueError, match=r"holds no whole weights \(.*part-1.*: copy them again"):
        load_weights(tmp_path)


OTHERS = {
    "model_type": ({"model_type": "gemma3"}, "model_type 'gemma3'"),
    "activation": ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
    "window": ({"model_type": "mistral", "sliding_window": 64}, "sliding_window 64"),
    "default window": ({"model_type": "mistral", "max_position_embeddings": 9000}, "window 4096"),
    "quantised": ({"quantization_config": {"quant_method": "awq"}}, "quantization_config 'awq'"),
    "yarn": ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope_type 'yarn'"),
    "newer yarn": ({"rope_parameters": {"rope_type": "yarn"}}, "rope_type 'yarn'"),
    "part": ({"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
    "missing": ({"hidden_size": None}, "no hidden_size in config.json"),
    "biases": ({"attention_bias": True}, r"no weights called '.*proj\.bias'"),
    "more": ({"num_hidden_layers": 1}, "holds 'model.layers.1.*', which a model of this"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_the_network_cannot_compute_is_named(tmp_path, case):
    change, reason = OTHERS[case]
    save_weights(tmp_path, drawn(SIZES), SIZES, {})
    config = json.loads((tmp_path / "config.json").read_text()) | change
    kept = {name: value for name, value in config.items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps(kept))
    with pytest.raises(ValueError, match=rf"{reason}.*: (serve it with vLLM|copy them again)"):
        load_weights(tmp_path)


def test_rotary_positions_are_read_from_files_of_any_age(tmp_path):
    save_weights(tmp_path, drawn(SIZES), SIZES, {})
    config = json.loads((tmp_path / "config.json").read_text())
    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    scaling |= {"original_max_position_embeddings": 64}
    base = config.pop("rope_theta")
    old = {"rope_theta": base, "rope_scaling": {"rope_type": "llama3", **scaling}}
    new = {"rope_parameters": {"rope_type": "llama3", "rope_theta": base, **scaling}}
    found = []
    for rotary in (old, new):
        (tmp_path / "config.json").write_text(json.dumps(config | rotary))
        found.append(load_weights(tmp_path)[1])
    assert found == 2 * [SIZES._replace(rope_scaling=Stretch("llama3", 8.0, 1.0, 4.0, 64))]


@SOME
def test_what_is_shared_and_what_was_read_before_count_as_if_read_now(read, tokens):
    whole, _ = read(tokens, LENGTHS)
    _, head = read(np.pad(tokens[:, :1, :3], ((0, 0), (0, 0), (0, 2))), np.full((2, 1), 3))
    shared = Past(head.keys[:, :, 0], head.values[:, :, 0], head.length[:, 0])
    states, past = read(tokens[:, :, 3:4], np.ones((2, 3), int), shared)
    np.testing.assert_allclose(states, whole[:, :, 3:4], atol=TOLERANCE)
    room = ((0, 0),) * 3 + ((0, 9), (0, 0), (0, 0))
    own = Past(jnp.pad(past.keys, room), jnp.pad(past.values, room), past.length)
    for place in range(4, 11):
        going = (place < LENGTHS).astype(int)
        states, own = read(tokens[:, :, place : place + 1], going, shared, own)
        np.testing.assert_allclose(
            states[going == 1], whole[:, :, place : place + 1][going == 1], atol=TOLERANCE
        )
    np.testing.assert_array_equal(own.length, LENGTHS - 3)


@SOME
def test_padding_changes_nothing(read, tokens):
    padded = np.where(np.arange(11) < LENGTHS[..., None], tokens, 0)
    states, _ = read(tokens, LENGTHS)
    other, _ = read(padded, LENGTHS)
    kept = np.arange(11) < LENGTHS[..., None]
    np.testing.assert_allclose(states[kept], other[kept], atol=TOLERANCE)


@SOME
def test_states_after_some_tokens_are_those_among_all(read, tokens):
    places = np.array([[[0, 3], [10, 10], [2, 3]], [[5, 1], [6, 0], [9, 4]]])
    wanted = np.take_along_axis(np.asarray(read(tokens, LENGTHS)[0]), places[..., None], axis=2)
    states, past = read(tokens, LENGTHS, places=places)
    np.testing.assert_allclose(states, wanted, atol=TOLERANCE)
    _, expected = read(tokens, LENGTHS)
    jax.tree.map(np.testing.assert_array_equal, past.length, expected.length)
    np.testing.assert_allclose(past.values, expected.values, atol=TOLERANCE)
