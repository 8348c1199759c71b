"""Train the small model: `python -m experiments.training.train FOLDER`.

Its formulas say how likely each answer is, and the model learns these chances, not single answers;
probes help (see `losses`). A run that was cut short goes on where its last checkpoint stood.
Matrices are trained by Muon (Jordan et al. 2024), all else by Adam (Kingma and Ba 2015); steps
shrink linearly to nothing.
"""

import itertools
import json
import shutil
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from jaxtyping import Array
from tokenizers import Tokenizer

from experiments.core.memory import keep_memory
from experiments.training.batches import Batch, batches
from experiments.training.curriculum import EVERYTHING, Mix, example_mix, examples, texts
from experiments.training.encoding import Encoded, Encoder, save_tokenizer, train_tokenizer
from experiments.training.losses import Learned, Probes, answer_loss, losses
from llm_policy.engines.embedded.checkpoint import draw_weights, load_weights, save_weights
from llm_policy.engines.embedded.llama import Sizes, Weights
from llm_policy.engines.embedded.random_weights import CONTEXT, SPECIAL_IDS
from llm_policy.engines.provenance import LETTERS_ENTRY, TAUGHT_ENTRY, WEIGHTS_ENTRY

SIZES = Sizes(4096, 96, 8, 3, 256, CONTEXT)
"""Of the model that comes with the project: 1.3 million weights."""
HELP = 0.5
"""What the loss of the probes counts beside that of the answers."""
ENTRIES = SPECIAL_IDS | {
    WEIGHTS_ENTRY: "trained to imitate documented formulas of behavior; no claim about people",
    TAUGHT_ENTRY: "workers in choice mode, planner in choice mode",
    LETTERS_ENTRY: "fixed",
}
"""Further entries of the model's config.json."""


@dataclass(frozen=True)
class TrainConfig:
    """Train the small model, or go on with a run that was cut short."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Where the model, the checkpoint and the log are."""
    batches: int = 6000
    """Batches in all, of about 10,000 tokens each."""
    rate: float = 0.01
    """Muon's largest step size; Adam's is a fifth of it."""
    warmup: int = 50
    """Steps over which they grow."""
    begin: Path | None = None
    """Folder of a model to begin with, of as many layers or fewer; new weights if not given."""
    skip: float = 0.0
    """The share of the course to leave out: what that model has heard."""
    save_every: int = 200
    """Batches between two checkpoints."""
    seed: int = 0
    """Of weights and examples."""


class TrainingState(eqx.Module):
    """Where a training run stands: `done` counts batches."""

    learned: Learned
    optimiser: Any
    done: Array


def train(config: TrainConfig, sizes: Sizes = SIZES) -> None:
    """Train, or go on; the model in the folder is that of the last checkpoint."""
    config.folder.mkdir(parents=True, exist_ok=True)
    encoder, optimiser = Encoder(_tokenizer(config, sizes)), _optimiser(config)
    state, path = _begin(config, sizes, optimiser), config.folder / "checkpoint.eqx"
    if path.exists():
        state = eqx.tree_deserialise_leaves(path, state)
    step, tests = _step(sizes, optimiser), _tests(encoder)
    started, heard = time.perf_counter(), []
    left = config.batches - int(state.done)
    with closing(_in_background(_stream(config, encoder, begin=int(state.done)))) as stream:
        for batch in itertools.islice(stream, left):
            state, loss = step(state, _on_device(batch))
            heard.append(np.asarray(loss))
            if int(state.done) % config.save_every == 0 or int(state.done) == config.batches:
                eqx.tree_serialise_leaves(path, state)
                save_weights(config.folder, state.learned.weights, sizes, ENTRIES)
                seconds = time.perf_counter() - started
                _log(config, state, heard, _held_out(state.learned.weights, sizes, tests), seconds)
                heard = []


def _begin(
    config: TrainConfig, sizes: Sizes, optimiser: optax.GradientTransformation
) -> TrainingState:
    weights = draw_weights(sizes, config.seed)
    if config.begin is not None:
        weights = _deeper(weights, *load_weights(config.begin), sizes)
    learned = Learned(weights, Probes.blank(sizes.hidden_size))
    return TrainingState(learned, optimiser.init(learned), jnp.zeros((), int))


def _deeper(drawn: Weights, begun: Weights, found: Sizes, sizes: Sizes) -> Weights:
    """Return the model `begun` with further layers, as drawn, that pass on what they are given."""
    layers = sizes.num_hidden_layers
    if found.num_hidden_layers > layers or found._replace(num_hidden_layers=layers) != sizes:
        raise ValueError(
            f"The model to begin with has other sizes: {found} instead of {sizes}. "
            "It may have fewer layers, and nothing else may differ."
        )

    def append(path: Any, new: Array, old: Array) -> Array:
        more = new[len(old) :]
        adds = {"output", "down"} & {key.key for key in path}
        return jnp.concatenate([old, jnp.zeros_like(more) if adds else more])

    return {
        **begun,
        "layers": jax.tree_util.tree_map_with_path(append, drawn["layers"], begun["layers"]),
    }


def _optimiser(config: TrainConfig) -> optax.GradientTransformation:
    """Return what makes steps of gradients."""
    warmup = min(config.warmup, config.batches // 2)

    def rate(most: float) -> optax.Schedule:
        grow = optax.linear_schedule(0.0, most, warmup)
        return optax.join_schedules(
            [grow, optax.linear_schedule(most, 0.0, config.batches - warmup)], [warmup]
        )

    def matrices(learned: Learned) -> Any:
        """Return which axes are a matrix's input and output; the first one is that of layers."""
        axes = optax.contrib.MuonDimensionNumbers(1, 2)
        return jax.tree_util.tree_map_with_path(
            lambda path, _: axes if "kernel" in str(path[-1]) else None, learned
        )

    axes_of: Any = matrices
    muon = optax.contrib.muon(
        rate(config.rate),
        adam_learning_rate=rate(config.rate / 5),
        muon_weight_dimension_numbers=axes_of,
    )
    return optax.chain(optax.clip_by_global_norm(1.0), muon)


def _step(
    sizes: Sizes, optimiser: optax.GradientTransformation
) -> Callable[[TrainingState, Batch], tuple[TrainingState, Array]]:
    """Return what trains on a batch and returns its loss.

    These are two programs: a CPU runs one that holds Muon's loop on a single core.
    """

    def total(learned: Learned, batch: Batch) -> tuple[Array, Array]:
        away, misread = losses(learned, sizes, batch)
        choices = jnp.sum(jnp.sum(batch.probabilities > 0, axis=-1) > 1, axis=-1)
        return jnp.mean(away / jnp.maximum(choices, 1)) + HELP * misread, jnp.stack(
            [away.mean(), misread]
        )

    @jax.jit
    def gradient(learned: Learned, batch: Batch) -> tuple[Array, Learned]:
        (_, found), change = jax.value_and_grad(total, has_aux=True)(learned, batch)
        return found, change

    @eqx.filter_jit(donate="all")
    def update(state: TrainingState, change: Any) -> TrainingState:
        before: Any = state.learned
        steps, moments = optimiser.update(change, state.optimiser, before)
        after: Any = optax.apply_updates(before, steps)
        return TrainingState(after, moments, state.done + 1)

    def step(state: TrainingState, batch: Batch) -> tuple[TrainingState, Array]:
        loss, change = gradient(state.learned, batch)
        return update(state, change), loss

    return step


def _tokenizer(config: TrainConfig, sizes: Sizes) -> Tokenizer:
    """Return the run's tokenizer, made of some examples."""
    file = config.folder / "tokenizer.json"
    if not file.exists() and config.begin is not None:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(config.begin / name, config.folder / name)
    elif not file.exists():
        some = examples(np.random.default_rng(config.seed), [EVERYTHING._replace(easy=0.5)] * 24)
        made = train_tokenizer(
            [text for example in some for text in texts(example)], size=sizes.vocab_size
        )
        save_tokenizer(config.folder, made)
    return Tokenizer.from_file(str(file))


def _stream(config: TrainConfig, encoder: Encoder, *, begin: int) -> Iterator[Batch]:
    """Yield batches, the easiest first; a run that goes on hears other examples than before."""
    made = begin

    def mixes() -> Iterator[Mix]:
        while True:
            yield example_mix(config.skip + (1 - config.skip) * made / config.batches)

    rng = np.random.default_rng((config.seed, begin))
    for batch in batches(
        (encoder.write(rng, example) for example in examples(rng, mixes())), encoder
    ):
        made += 1
        yield batch


def _tests(encoder: Encoder) -> dict[str, list[Batch]]:
    """Return a few batches of held-out examples by task, and by how answers are given."""
    rng, scripts = np.random.default_rng(10**6), defaultdict[str, list[Encoded]](list)
    for example in examples(rng, [EVERYTHING], held_out=True):
        single = example.answers[0][0].single
        scripts[example.task + (" by token" if single else "")].append(encoder.write(rng, example))
    return {task: list(batches(some, encoder))[:4] for task, some in sorted(scripts.items())}


def _held_out(weights: Weights, sizes: Sizes, tests: dict[str, list[Batch]]) -> dict[str, float]:
    """Return the mean loss of each task."""
    return {
        task: float(np.mean([_loss(weights, sizes, _on_device(batch)) for batch in some]))
        for task, some in tests.items()
        if some
    }


_AHEAD = 8  # batches that another thread has ready
_loss = eqx.filter_jit(lambda weights, sizes, batch: answer_loss(weights, sizes, batch).mean())


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
    config: TrainConfig,
    state: TrainingState,
    heard: list[Array],
    held_out: dict[str, float],
    seconds: float,
) -> None:
    """Write mean losses since the last time and on held-out examples, to log.jsonl and screen.

    Of the two figures of training the first is the divergence of answers, the second the probes'
    loss.
    """
    line = json.dumps(
        {
            "batches": int(state.done),
            "seconds": round(seconds),
            "training": np.mean(heard, axis=0).round(4).tolist(),
            "held_out": {task: round(loss, 4) for task, loss in held_out.items()},
        }
    )
    with (config.folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line, flush=True)


if __name__ == "__main__":
    keep_memory()
    train(tyro.cli(TrainConfig))
