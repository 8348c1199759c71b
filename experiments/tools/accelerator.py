"""What a GPU does with the core, the planners and a language model; runs on a CPU as well.

`python -m experiments.tools.accelerator --parts precision steps planner engine`. How fast the
operations of the core are is `econjax benchmark core --no-numpy --sizes 10000000 100000000`.
"""

import argparse
import statistics
import time
from contextlib import closing

import jax
import jax.numpy as jnp
import numpy as np

from baselines.gradient.ascent import GradientPlanner
from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Quasilinear,
    RationalEvaluator,
    calibrate,
    equilibrium,
    gb2,
    plan,
    simulate,
    us_federal,
)
from econjax.dynamics.policies import Rational
from experiments.benchmarks.cases import shuffled_workers
from experiments.benchmarks.steps import past, script, society, world
from experiments.benchmarks.timing import compile_for, machine
from experiments.core.choices import EngineOptions
from experiments.core.engines import start_engine
from llm_policy.answers.reading import hours_answer, schema

_LAW = us_federal(2024)


def main() -> None:
    """Print what each part measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=list(_PARTS), default=list(_PARTS))
    parser.add_argument("--agents", type=int, default=10_000_000, help="of steps")
    parser.add_argument("--periods", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000, 10_000_000])
    parser.add_argument("--models", nargs="+", default=["econjax-small", "random:llama-3.1-8b"])
    parser.add_argument("--questions", type=int, nargs="+", default=[4_096, 512], help="by model")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in machine().items()), flush=True)
    for part in chosen.parts:
        _PARTS[part](chosen)


def precision(chosen: argparse.Namespace) -> None:
    """Print how far float32 is from float64 on the same device."""
    people = np.asarray(gb2(100_000).skill)
    for name, preferences in {
        "quasi-linear": lambda: Quasilinear(0.25),
        "isoelastic": lambda: Isoelastic(1.0, exponent=3.0, scale=5.2083e-6),
    }.items():
        found = []
        for wide in (False, True):
            with jax.enable_x64(wide):
                law = us_federal(2024)
                population = calibrate(type(gb2(2))(jnp.asarray(people, float)), law)
                economy = Economy(population=population, preferences=preferences())

                def equivalent(rates, economy=economy, law=law):
                    schedule = BracketSchedule(law.thresholds, rates)
                    outcome = equilibrium(economy, schedule).outcome
                    return Atkinson().equivalent(economy.population, outcome)

                value, slope = jax.jit(jax.value_and_grad(equivalent))(law.rates)
                found.append((float(value), np.asarray(slope, float)))
        (near, near_slope), (exact, slope) = found
        apart = np.max(np.abs(near_slope - slope)) / np.max(np.abs(slope))
        print(
            f"{name}: equivalent {exact:.6f}, float32 off by {near / exact - 1:.1e}, "
            f"gradient by {apart:.1e} of its largest entry",
            flush=True,
        )


def steps(chosen: argparse.Namespace) -> None:
    """Print how many years of workers who choose their best hours pass in a second."""
    economy = Economy(population=shuffled_workers(chosen.agents), preferences=Quasilinear(0.25))

    def live(key, economy):
        return simulate(key, economy, _LAW, Rational(), periods=chosen.periods).saved

    whole = compile_for(live, jax.random.key(0), economy)
    seconds = _typical(whole.run, chosen.rounds)
    count = chosen.agents * chosen.periods
    held = "-" if whole.held is None else f"{whole.held / chosen.agents:.0f}"
    print(
        f"{chosen.agents:,} workers x {chosen.periods} years: {seconds:.3f} s, "
        f"{count / seconds:.2e} worker-steps a second, {held} bytes a worker, "
        f"compiled in {whole.seconds:.1f} s",
        flush=True,
    )


def planner(chosen: argparse.Namespace) -> None:
    """Print what the gradient planner reaches in 40 evaluations, and its seconds."""
    for size in chosen.sizes:
        economy = Economy(
            population=calibrate(shuffled_workers(size), _LAW), preferences=Quasilinear(0.25)
        )
        seconds, best = [], None
        for _ in range(1 + chosen.rounds):
            evaluate = RationalEvaluator(economy, Atkinson())
            begun = time.perf_counter()
            found = plan(jax.random.key(0), GradientPlanner(_LAW), evaluate, steps=40)
            best = float(evaluate.value(found.recommended).equivalent)
            seconds.append(time.perf_counter() - begun)
        print(
            f"gradient planner, {size:,} workers: {statistics.median(seconds[1:]):.3f} s "
            f"(the first time {seconds[0]:.1f}), ${best:,.2f} a year",
            flush=True,
        )


def engine(chosen: argparse.Namespace) -> None:
    """Print decisions a second of each model, in JAX, by workers with a full memory."""
    for model, questions in zip(chosen.models, chosen.questions, strict=True):
        options = EngineOptions(model, None, 1.0, 8192, engine="embedded")
        begun = time.perf_counter()
        with closing(start_engine(options)) as model_here:
            print(f"{model}: started in {time.perf_counter() - begun:.1f} s", flush=True)
            everybody = world(questions, distinct=questions, history=10, seed=0)
            states = past(everybody, script(), rounds=chosen.rounds)
            for mode in ("choice", "text"):
                alive = society(everybody, model_here, mode)
                took, read, written = [], 0, 0
                for state in states:
                    prompts = alive.workers.prompts(state.situation(), state.memory)
                    begun = time.perf_counter()
                    if mode == "choice":
                        answers = model_here.choose(prompts, alive.workers.choice_set.codes)
                        read = int(np.sum(answers.prompt_tokens - answers.cached_tokens))
                    else:
                        texts = model_here.complete(
                            prompts, schema(hours_answer()), max_tokens=alive.workers.answer_tokens
                        )
                        written = sum(text.answer_tokens for text in texts)
                    took.append(time.perf_counter() - begun)
                seconds = statistics.median(took[1:])
                print(
                    f"{model}, {mode}: {questions / seconds:,.1f} decisions a second of "
                    f"{questions:,} (the first time {took[0]:.1f} s, then {seconds:.2f}); "
                    f"{read / questions:.0f} tokens read, {written / questions:.0f} written each",
                    flush=True,
                )


def _typical(run, rounds: int) -> float:
    """Return the median seconds of some runs, after one that warms up."""
    run()
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


_PARTS = {"precision": precision, "steps": steps, "planner": planner, "engine": engine}

if __name__ == "__main__":
    main()
