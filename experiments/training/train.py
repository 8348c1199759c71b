"""Train the small model: `python -m experiments.training.train FOLDER`.

Its teachers say how likely each answer is, and the model learns these chances, not single answers. A run that
was cut short goes on where its last checkpoint stood. Matrices are trained by Muon (Jordan et al. 2024), all
else by Adam (Kingma and Ba 2015); steps shrink linearly to nothing.
"""

import itertools
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from jaxtyping import Array, Float
from tokenizers import Tokenizer

from experiments.training.batches import Batch, batches
from experiments.training.curriculum import lessons, texts
from experiments.training.tokens import Scribe, Script, save_tokenizer, train_tokenizer
from llm_policy.llama import Llama, Past, Sizes, Weights, logits, save_weights
from llm_policy.tiny_model import CONTEXT, SPECIAL_IDS, WEIGHTS_ENTRY

SIZES = Sizes(2048, 160, 6, 5, 448, CONTEXT)
"""Of the model that comes with the project: 2.2 million weights."""
READING = 0.5
"""What the surprise of a prompt counts beside the answer: who foretells its numbers has understood them."""
_AHEAD = 8
TOGETHER = 4
"""Batches that make one step: each holds one task, and steps from one alone would undo the others."""
ENTRIES = SPECIAL_IDS | {
    WEIGHTS_ENTRY: "trained to imitate documented formulas of behavior; no claim about people",
}
"""Further entries of the model's config.json."""


@dataclass(frozen=True)
class TrainConfig:
    """Train the small model, or go on with a run that was cut short."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Where the model, the checkpoint and the log are."""
    batches: int = 4000
    """Batches in all, of about 10,000 tokens each."""
    rate: float = 0.008
    """Muon's largest step size; Adam's is a fifth of it."""
    warmup: int = 50
    """Steps over which they grow; four batches make one."""
    save_every: int = 200
    """Batches between two checkpoints."""
    seed: int = 0
    """Of weights and lessons."""


class Training(eqx.Module):
    """Where a training run stands: `done` counts batches."""

    weights: Any
    optimiser: Any
    done: Array


def train(config: TrainConfig, sizes: Sizes = SIZES) -> None:
    """Train, or go on; the model in the folder is that of the last checkpoint."""
    config.folder.mkdir(parents=True, exist_ok=True)
    scribe, optimiser = Scribe(_tokenizer(config, sizes)), _optimiser(config)
    state, path = _begin(config, sizes, optimiser), config.folder / "checkpoint.eqx"
    if path.exists():
        state = eqx.tree_deserialise_leaves(path, state)
    step, tests = _step(sizes, optimiser), _tests(scribe)
    started, losses = time.perf_counter(), []
    left = config.batches - int(state.done)
    with closing(_in_background(_stream(config, scribe, begin=int(state.done)))) as stream:
        for batch in itertools.islice(stream, left):
            state, loss = step(state, _on_device(batch))
            losses.append(float(loss))
            if int(state.done) % config.save_every == 0 or int(state.done) == config.batches:
                eqx.tree_serialise_leaves(path, state)
                save_weights(config.folder, state.weights, sizes, ENTRIES)
                seconds = time.perf_counter() - started
                _log(config, state, losses, _losses(state.weights, sizes, tests), seconds)
                losses = []


def answer_loss(
    weights: Weights, sizes: Sizes, batch: Batch
) -> tuple[Float[Array, "groups rows"], Float[Array, ""]]:
    """Return the divergence of each row's answer, and how surprising its prompt is per token, in nats.

    The first is the Kullback-Leibler divergence of the model's chances from the teacher's, summed over the
    tokens of an answer; the second is the mean negative log probability of the tokens of personal texts.
    """
    chances = jnp.asarray(batch.chances)
    _, past = _read(weights, sizes, batch.shared[:, None], batch.shared_length[:, None])
    shared = Past(past.keys[:, :, 0], past.values[:, :, 0], jnp.asarray(batch.shared_length))
    states, _ = _read(weights, sizes, batch.tokens, batch.length, shared)
    following = jax.nn.log_softmax(logits(weights, states[:, :, :-1]))
    said = jnp.take_along_axis(following, batch.tokens[:, :, 1:, None], axis=-1)[..., 0]
    told = jnp.arange(1, batch.tokens.shape[-1]).reshape(1, 1, -1) <= batch.places[..., :1]
    found = jnp.take_along_axis(states, batch.places[..., None], axis=2)
    found = jnp.take_along_axis(jax.nn.log_softmax(logits(weights, found)), batch.followers, axis=-1)
    wanted = jnp.log(jnp.where(chances > 0, chances, 1.0))
    return jnp.sum(chances * (wanted - found), axis=(-1, -2)), -jnp.sum(said * told) / jnp.sum(told)


def _read(weights: Weights, sizes: Sizes, *text: Any) -> tuple[Array, Past]:
    return cast(tuple[Array, Past], Llama(sizes).apply({"params": weights}, *text))


def _begin(config: TrainConfig, sizes: Sizes, optimiser: optax.MultiSteps) -> Training:
    one = jnp.ones((1, 1), int)
    weights = Llama(sizes).init(jax.random.key(config.seed), one[..., None], one)["params"]
    return Training(weights, optimiser.init(weights), jnp.zeros((), int))


def _optimiser(config: TrainConfig) -> optax.MultiSteps:
    """Return what makes steps of gradients."""
    steps = max(2, config.batches // TOGETHER)
    warmup = min(config.warmup, steps // 2)

    def rate(most: float) -> optax.Schedule:
        grow = optax.linear_schedule(0.0, most, warmup)
        return optax.join_schedules([grow, optax.linear_schedule(most, 0.0, steps - warmup)], [warmup])

    def matrices(weights: Weights) -> Any:
        """Return which axes are the input and the output of a matrix; the first one is that of layers."""
        axes = optax.contrib.MuonDimensionNumbers(1, 2)
        return jax.tree_util.tree_map_with_path(
            lambda path, _: axes if path[-1].key == "kernel" else None, weights
        )

    axes_of: Any = matrices
    muon = optax.contrib.muon(
        rate(config.rate), adam_learning_rate=rate(config.rate / 5), muon_weight_dimension_numbers=axes_of
    )
    return optax.MultiSteps(optax.chain(optax.clip_by_global_norm(1.0), muon), TOGETHER)


def _step(sizes: Sizes, optimiser: optax.MultiSteps) -> Callable[[Training, Batch], tuple[Training, Array]]:
    """Return what trains on a batch and returns its loss.

    These are two programs: a CPU runs one that holds Muon's loop on a single core.
    """

    def total(weights: Weights, batch: Batch) -> tuple[Array, Array]:
        rows, surprise = answer_loss(weights, sizes, batch)
        tokens = jnp.sum(batch.chances.sum(axis=-1) > 0, axis=-1)
        return jnp.mean(rows / tokens) + READING * surprise, rows.mean()

    @jax.jit
    def gradient(weights: Weights, batch: Batch) -> tuple[Array, Weights]:
        (_, loss), change = jax.value_and_grad(total, has_aux=True)(weights, batch)
        return loss, change

    @eqx.filter_jit(donate="all")
    def update(state: Training, change: Weights) -> Training:
        steps, moments = optimiser.update(change, state.optimiser, state.weights)
        return Training(optax.apply_updates(state.weights, steps), moments, state.done + 1)

    def step(state: Training, batch: Batch) -> tuple[Training, Array]:
        loss, change = gradient(state.weights, batch)
        return update(state, change), loss

    return step


def _tokenizer(config: TrainConfig, sizes: Sizes) -> Tokenizer:
    """Return the run's tokenizer, made of some lessons."""
    file = config.folder / "tokenizer.json"
    if not file.exists():
        some = lessons(np.random.default_rng(config.seed), iter([0.3] * 8))
        made = train_tokenizer([text for lesson in some for text in texts(lesson)], size=sizes.vocab_size)
        save_tokenizer(config.folder, made)
    return Tokenizer.from_file(str(file))


def _stream(config: TrainConfig, scribe: Scribe, *, begin: int) -> Iterator[Batch]:
    """Yield batches, first steps of workers first; a run that goes on hears other lessons than before."""
    made = begin

    def easy() -> Iterator[float]:
        while True:
            yield 0.9 - 0.7 * min(1.0, 2 * made / config.batches)

    rng = np.random.default_rng((config.seed, begin))
    for batch in batches(scribe.write(rng, lesson) for lesson in lessons(rng, easy())):
        made += 1
        yield batch


def _tests(scribe: Scribe) -> dict[str, list[Batch]]:
    """Return a few batches of held-out lessons by task."""
    rng, scripts = np.random.default_rng(10**6), defaultdict[str, list[Script]](list)
    for lesson in lessons(rng, iter([0.3]), held_out=True):
        scripts[lesson.task].append(scribe.write(rng, lesson))
    return {task: list(batches(some))[:4] for task, some in sorted(scripts.items())}


def _losses(weights: Weights, sizes: Sizes, tests: dict[str, list[Batch]]) -> dict[str, float]:
    """Return the mean loss of each task."""
    return {
        task: float(np.mean([_loss(weights, sizes, _on_device(batch)) for batch in some]))
        for task, some in tests.items()
        if some
    }


_loss = eqx.filter_jit(lambda weights, sizes, batch: answer_loss(weights, sizes, batch)[0].mean())


def _in_background(stream: Iterator[Batch]) -> Generator[Batch, None, None]:
    """Yield what another thread makes, a few ahead."""
    pool = ThreadPoolExecutor(1)
    try:
        ahead = deque(pool.submit(next, stream) for _ in range(_AHEAD))
        while True:
            ahead.append(pool.submit(next, stream))
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _on_device(batch: Batch) -> Batch:
    return jax.tree.map(jnp.asarray, batch)


def _log(
    config: TrainConfig, state: Training, losses: list[float], held_out: dict[str, float], seconds: float
) -> None:
    """Write the mean loss since the last time, and those on held-out lessons, to log.jsonl and the screen."""
    line = json.dumps(
        {
            "batches": int(state.done),
            "seconds": round(seconds),
            "training": round(float(np.mean(losses)), 4),
            "held_out": {task: round(loss, 4) for task, loss in held_out.items()},
        }
    )
    with (config.folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line, flush=True)


if __name__ == "__main__":
    train(tyro.cli(TrainConfig))
