"""What a pretrained model answers, held against other readers of it and against its own scores.

`python -m experiments.tools.real_model --parts agreement texts votes` asks smollm2-135m, or another
`--model` that a GGUF file or a folder holds. Each part says how large it was and what noise is.
"""

import argparse
import copy
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from econjax import Economy, Quasilinear, calibrate, gb2, us_federal
from experiments.audit.command import elections_of, society_of
from experiments.audit.config import AuditConfig
from llm_policy.audit.orders import OrderEffect, ballot_order, candidate_order
from llm_policy.engines._options import OptionTree, option_tree
from llm_policy.engines.base import Choices, Engine, Prompt
from llm_policy.engines.embedded.engine import EmbeddedEngine
from llm_policy.engines.embedded.prefixes import packed
from llm_policy.engines.gguf.folder import is_local, local_model
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers

_LETTERS = [*"ABCDEFGHIJK"]
_HOURS = list(map(str, range(101)))
_CACHE_BYTES = 1 << 30


def main() -> None:
    """Print what each part finds, and what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--parts", nargs="+", choices=list(_PARTS), default=list(_PARTS))
    parser.add_argument("--prompts", type=int, default=100, help="of the agreement")
    parser.add_argument("--no-vllm", action="store_true", help="leave vLLM out of the agreement")
    parser.add_argument("--samples", type=int, default=2000, help="texts, to one prompt")
    parser.add_argument("--elections", type=int, default=20)
    parser.add_argument("--voters", type=int, default=24)
    chosen = parser.parse_args()
    folder = local_model(chosen.model) if is_local(chosen.model) else Path(chosen.model)
    for part in chosen.parts:
        clock, wall = time.process_time(), time.perf_counter()
        _PARTS[part](folder, chosen)
        took = time.process_time() - clock, time.perf_counter() - wall
        print(f"{part}: {took[0]:.0f} s of CPU in this process, {took[1]:.0f} s", flush=True)


def compare_scores(folder: Path, chosen: argparse.Namespace) -> None:
    """Print how far log probabilities of letters are apart, by pairs of three programs."""
    prompts = first_questions(chosen.prompts)
    engine = EmbeddedEngine(folder, cache_bytes=_CACHE_BYTES)
    found = {"embedded": _letters(engine.choose(prompts, _LETTERS))}
    chats = engine._chat.encode(prompts)
    engine.close()
    found["transformers"] = _with_transformers(folder, chats)
    if not chosen.no_vllm:
        found["vLLM"] = _with_vllm(folder, prompts)
    for (name, one), (other_name, other) in itertools.combinations(found.items(), 2):
        gap = np.abs(one - other).max()
        print(f"{name} and {other_name}, {len(prompts)} prompts: {gap:.2g} at most", flush=True)


def compare_texts(folder: Path, chosen: argparse.Namespace) -> None:
    """Print how far whole hours in texts are from their scored chances, and what noise would be.

    Texts are whole numbers from 0 to 100, token by token among those that may go on; so are the
    chances that scores of the same tokens give.
    """
    engine, (prompt,) = EmbeddedEngine(folder, cache_bytes=_CACHE_BYTES), first_questions(1)
    chances = chances_of_hours(engine, prompt)
    (answer,) = engine.complete([prompt], {"enum": list(range(101))}, samples=chosen.samples)
    counts = Counter(answer.texts)
    drawn = np.array([counts[hours] for hours in _HOURS]) / chosen.samples
    noise = np.random.default_rng(0).multinomial(chosen.samples, chances, 10_000) / chosen.samples
    gap, chance = _variation(drawn, chances), _variation(noise, chances)
    print(
        f"texts against scores, {chosen.samples} texts of whole hours: total variation {gap:.4f}; "
        f"as many draws {chance.mean():.4f}, 95 % of the time at most "
        f"{np.quantile(chance, 0.95):.4f}; as far or farther in {np.mean(chance >= gap):.0%}",
        flush=True,
    )


def count_votes(folder: Path, chosen: argparse.Namespace) -> None:
    """Print how many votes went to each place of voters' own lists, and to each candidate."""
    engine = EmbeddedEngine(folder, cache_bytes=_CACHE_BYTES)
    config = AuditConfig(agents=chosen.voters, elections=chosen.elections)
    society, state = society_of(config, engine, config.economy(), config.status_quo())
    held = elections_of(config, engine, society, state)
    unread = sum(election.unread for election in held)
    print(f"{len(held)} elections of {chosen.voters} voters, {unread} votes unread")
    _print_places("by place in the voter's own list", ballot_order(held))
    _print_places("by candidate", candidate_order(held))


def first_questions(count: int) -> list[Prompt]:
    """Return the first question to each of `count` workers under US federal law of 2024."""
    law = us_federal(2024)
    population = calibrate(gb2(count), law)
    people = describe(draw_personas(jax.random.key(0), population))
    economy = Economy(population=population, preferences=Quasilinear(0.25))
    workers = LLMWorkers(_nobody(), economy, people, style=Style(mode="choice"))
    return workers.prompts(Situation(law, 1, {}, 0.0, "explore"), workers.begin())


def chances_of_hours(engine: EmbeddedEngine, prompt: Prompt) -> Float[np.ndarray, "101"]:
    """Return the chance of each number of `_HOURS`, token by token among those that may go on."""
    tree = option_tree(_HOURS, engine._chat.answers(_HOURS), ends=engine._ends[:1])
    ((text,),) = engine._known.sittings([packed(engine._encode([prompt], tree.longest)[0])])
    found = engine._known.read(engine._weights, [text])
    length = np.array([len(text) // 4], np.int32)
    (scores,) = jax.device_get(list(engine._score(found, length, tree)))
    return np.exp(_renormalised(tree, np.asarray(scores, np.float64)[0]))


def _renormalised(
    tree: OptionTree, scores: Float[np.ndarray, "places asked"]
) -> Float[np.ndarray, " options"]:
    """Return log probabilities where each step is among the tokens that some option has there."""
    steps = {step for option in tree._steps for step in option}
    allowed = np.full_like(scores, -np.inf)
    for place, token in steps:
        allowed[place, token] = scores[place, token]
    allowed -= np.logaddexp.reduce(allowed, axis=1, keepdims=True)
    return tree.log_probabilities(allowed[None])[0]


def _letters(choices: Choices) -> Float[np.ndarray, "prompts letters"]:
    return choices.logprob + np.log1p(-choices.leaked)[:, None]


def _with_transformers(
    folder: Path, chats: Sequence[Sequence[int]]
) -> Float[np.ndarray, "prompts letters"]:
    """Return what transformers finds, which reads the common beginning of all prompts once."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)  # on a busy machine threads wait for each other without sleeping
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    letters = [tokenizer.encode(letter, add_special_tokens=False)[0] for letter in _LETTERS]
    common = len(
        list(itertools.takewhile(lambda same: len(set(same)) == 1, zip(*chats, strict=False)))
    )
    with torch.no_grad():
        read = model(torch.tensor([chats[0][:common]]), use_cache=True).past_key_values
        rows = []
        for tokens in chats:
            rest = torch.tensor([tokens[common:]])
            known: Any = copy.deepcopy(read)
            scores = model(rest, past_key_values=known, logits_to_keep=1).logits[0, -1]
            rows.append(torch.log_softmax(scores, -1)[letters].numpy())
    return np.array(rows, np.float64)


def _with_vllm(folder: Path, prompts: Sequence[Prompt]) -> Float[np.ndarray, "prompts letters"]:
    from llm_policy.engines.vllm import VLLMEngine

    engine = VLLMEngine(str(folder), dtype="float32", max_model_len=2048)
    try:
        return _letters(engine.choose(prompts, _LETTERS))
    finally:
        engine.close()


def _variation(one: np.ndarray, other: np.ndarray) -> Any:
    return np.abs(one - other).sum(axis=-1) / 2


def _print_places(name: str, effect: OrderEffect) -> None:
    shares = " ".join(f"{share:.3f}" for share in effect.shares)
    expected = " ".join(f"{share:.3f}" for share in effect.expected)
    print(
        f"{name}: {shares} of {effect.answers} (expected {expected}); chi-squared "
        f"{effect.statistic}, p {effect.p_value}",
        flush=True,
    )


def _nobody() -> Engine:
    """Return an engine that is asked nothing."""
    from llm_policy.engines.scripted import ScriptedEngine

    return ScriptedEngine(lambda prompt: "")


_PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "agreement": compare_scores,
    "texts": compare_texts,
    "votes": count_votes,
}


if __name__ == "__main__":
    main()
