"""What training makes small: how far answers are from the formula's, and how badly probes read.

From answers alone it would take long to find out how to read. So linear probes (Alain and Bengio
2017) read off inner layers, as in deep supervision (Lee et al. 2015), the numbers of a prompt, what
its law takes, and what the formula found on the way to an answer. Probes are no part of the model.
"""

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from experiments.training.batches import INCOMES, Batch
from experiments.training.examples import ALL_WORKINGS, MEANS, WORKINGS
from llm_policy.answers.reading import HOURS
from llm_policy.engines.embedded.llama import Llama, Past, Sizes, Weights, logits

NUMBERS_READ, PRICES_READ, LAW_READ, EFFORT_READ, KEPT_READ = 2, 3, 4, 4, 5
"""Layers by which should be understood: a number and its place in a list; a worker's prices and
attitudes; a schedule; what effort costs at each of the hours offered; what is left after tax at
each, and the rates that planners compare."""


class Probes(NamedTuple):
    """Matrices that read what the formula knows off the network's states, for training only."""

    numbers: Float[Array, "width features"]
    ordinals: Float[Array, "width features"]
    average_tax: Float[Array, "width incomes"]
    endowment: Float[Array, "width means"]
    workings: Float[Array, "width workings"]
    compared: Float[Array, "width rates"]

    @classmethod
    def blank(cls, width: int) -> "Probes":
        """Return probes that read 0 everywhere."""
        return cls(
            *(
                jnp.zeros((width, read))
                for read in (_FEATURES, _FEATURES, len(INCOMES), MEANS, ALL_WORKINGS, _COMPARED)
            )
        )


class Learned(NamedTuple):
    """All that is trained."""

    weights: Weights
    probes: Probes


def answer_loss(weights: Weights, sizes: Sizes, batch: Batch) -> Float[Array, "groups rows"]:
    """Return the Kullback-Leibler divergence of the model's chances from the formula's, in nats.

    It is summed over the tokens of an answer.
    """
    return _divergence(weights, batch, _understand(weights, sizes, batch).answering)


def losses(
    learned: Learned, sizes: Sizes, batch: Batch
) -> tuple[Float[Array, "groups rows"], Float[Array, ""]]:
    """Return the loss of answers, and that of probes: a sum of means, one for each thing read."""
    understood = _understand(learned.weights, sizes, batch)
    away = _divergence(learned.weights, batch, understood.answering)
    return away, _probe_loss(learned.probes, batch, understood)


class _Understood(NamedTuple):
    """The states that answers are said from, and what layers pass on of shared texts and rows."""

    answering: Float[Array, "groups rows places width"]
    shared: Float[Array, "layers groups shared width"]
    own: Float[Array, "layers groups rows tokens width"]


def _understand(weights: Weights, sizes: Sizes, batch: Batch) -> _Understood:
    _, past = _read(weights, sizes, batch.shared[:, None], batch.shared_length[:, None])
    shared = Past(past.keys[:, :, 0], past.values[:, :, 0], jnp.asarray(batch.shared_length))
    places = jnp.asarray(batch.places)
    answering, own = _read(weights, sizes, batch.tokens, batch.length, shared=shared, places=places)
    flat = (past.reshape(*past.shape[:-2], -1) for past in (shared.values, own.values))
    return _Understood(answering, *flat)


def _read(
    weights: Weights, sizes: Sizes, tokens: Any, length: Any, **more: Any
) -> tuple[Array, Past]:
    read = Llama(sizes).apply({"params": weights}, tokens, length, **more)
    return cast(tuple[Array, Past], read)


def _divergence(weights: Weights, batch: Batch, answering: Array) -> Float[Array, "groups rows"]:
    probabilities = jnp.asarray(batch.probabilities)
    found = jax.nn.log_softmax(logits(weights, answering))
    found = jnp.take_along_axis(found, jnp.asarray(batch.followers), axis=-1)
    wanted = jnp.log(jnp.where(probabilities > 0, probabilities, 1.0))
    return jnp.sum(probabilities * (wanted - found), axis=(-1, -2))


def _probe_loss(probes: Probes, batch: Batch, understood: _Understood) -> Float[Array, ""]:
    def passed(values: Array, layer: int) -> Array:
        return values[min(layer, len(values) - 1)]

    def after_means(layer: int) -> Array:
        ends = jnp.asarray(batch.means_end)[..., None, None]
        return jnp.take_along_axis(passed(understood.own, layer), ends, axis=2)[:, :, 0]

    last = passed(understood.shared, LAW_READ)[
        jnp.arange(len(batch.shared)), batch.shared_length - 1
    ]
    kept, effort, prices = (
        slice(0, len(HOURS)),
        slice(len(HOURS), 2 * len(HOURS)),
        slice(2 * len(HOURS), MEANS),
    )
    places = jnp.asarray(batch.places)[..., None]
    compared = jnp.take_along_axis(passed(understood.own, KEPT_READ), places, axis=2)
    read = [
        (passed(understood.own, NUMBERS_READ) @ probes.numbers, _features(batch.numbers)),
        (passed(understood.shared, NUMBERS_READ) @ probes.numbers, _features(batch.shared_numbers)),
        (last @ probes.average_tax, batch.average_tax),
        (after_means(EFFORT_READ) @ probes.endowment[:, effort], batch.endowment[..., effort]),
        (after_means(PRICES_READ) @ probes.endowment[:, prices], batch.endowment[..., prices]),
        (after_means(KEPT_READ) @ probes.endowment[:, kept], batch.endowment[..., kept]),
        (understood.answering @ probes.workings, batch.workings),
        (passed(understood.own, NUMBERS_READ) @ probes.ordinals, _places(batch.ordinals)),
        (compared @ probes.compared, batch.workings[..., WORKINGS["planner"]][..., :-1]),
    ]
    return jnp.sum(jnp.stack([_misread(found, jnp.asarray(wanted)) for found, wanted in read]))


_FEATURES = 5
_COMPARED = 4  # of a planner's workings all but the last, which is what it aims at


def _features(numbers: Any) -> Float[Array, "*shape 5"]:
    """Return what stands for a number: its logarithm, and waves that tell near numbers apart."""
    size = jnp.log10(1 + jnp.asarray(numbers))
    angles = [2 * jnp.pi * size, 4 * jnp.pi * size]
    return jnp.stack([size, *map(jnp.sin, angles), *map(jnp.cos, angles)], axis=-1)


def _places(ordinals: Any) -> Float[Array, "*shape 5"]:
    """Return what stands for a number's place in a list of up to ten."""
    place = jnp.asarray(ordinals)
    angles = [jnp.pi * place / 2, jnp.pi * place / 5]
    return jnp.stack([place / 5, *map(jnp.sin, angles), *map(jnp.cos, angles)], axis=-1)


def _misread(found: Array, wanted: Array) -> Float[Array, ""]:
    """Return errors' mean cost: squares of small ones, logarithms of large ones; NaN is skipped."""
    known = ~jnp.isnan(wanted)
    error = jnp.where(known, found - jnp.where(known, wanted, 0.0), 0.0)
    return jnp.sum(jnp.log1p(jnp.square(error / _FINE))) / jnp.maximum(jnp.sum(known), 1)


_FINE = 0.1  # smaller errors hardly count
