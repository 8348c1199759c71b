"""vLLM in this machine's memory, in a child process: offline batches, and tests on a CPU."""

import json
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from typing import Any, Literal, NamedTuple

import numpy as np

from llm_policy.engines._chat import Chat
from llm_policy.engines._host import cache_bytes
from llm_policy.engines._lifeline import Lifeline
from llm_policy.engines._options import option_tree
from llm_policy.engines._scores import choices
from llm_policy.engines.base import (
    Choices,
    Completion,
    EngineError,
    EngineInfo,
    Hear,
    Interrupted,
    Prompt,
    Schema,
)
from llm_policy.engines.provenance import is_noise, model_folder, taught_entries, weights_of
from llm_policy.engines.requests import Reply

os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # a fork would copy JAX's threads
os.environ.setdefault(  # GiB; read on a machine without a GPU only
    "VLLM_CPU_KVCACHE_SPACE", str(max(1, cache_bytes() >> 30))
)
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

from vllm import LLM, SamplingParams, TokensPrompt
from vllm import __version__ as vllm_version
from vllm.platforms import current_platform
from vllm.sampling_params import StructuredOutputsParams
from vllm.v1.engine.exceptions import EngineDeadError

from llm_policy.engines._forced import FORCED, PROCESSOR


class _Question(NamedTuple):
    """How vLLM is asked after a prompt, and the tokens that count as said already."""

    params: SamplingParams
    said: Sequence[int] = ()


class VLLMEngine:
    """A model loaded by vLLM. Construction takes seconds to minutes; a script needs a main guard.

    `model` is a folder, or a name on the model hub. `temperature` is that of `complete`; `choose`
    always scores at temperature 1. `gpu_memory_utilization` is the share of the GPU's memory that
    vLLM takes: leave room for JAX (`XLA_PYTHON_CLIENT_MEM_FRACTION`). `name` is what the engine
    calls its model: `model`, if not given. Every other option is vLLM's own; `load_format="dummy"`
    draws the weights at random instead of reading them. On a machine without a GPU the model runs
    eagerly, in bfloat16 unless `dtype` says otherwise, and keeps what it has read in a quarter of
    the memory, at most 4 GiB (`VLLM_CPU_KVCACHE_SPACE`, in GiB, says otherwise). Answers are
    not repeatable, for no seed is sent: record them in a journal.

    Raises:
        EngineError: the model does not exist, vLLM cannot start with it, or its chat template takes
            no question.
    """

    def __init__(
        self,
        model: str,
        *,
        temperature: float = 0.7,
        max_model_len: int | None = None,
        gpu_memory_utilization: float = 0.6,
        dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto",
        quantization: str | None = None,
        tensor_parallel_size: int = 1,
        revision: str | None = None,
        load_format: Literal["auto", "dummy"] = "auto",
        max_num_seqs: int | None = None,
        max_num_batched_tokens: int | None = None,
        trust_remote_code: bool = False,
        name: str | None = None,
    ) -> None:
        on_cpu = current_platform.is_cpu()
        if on_cpu:
            # For the child: kernels it would compile save nothing, cost 15 s and need a compiler.
            os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")
        self.hear: Hear | None = None
        self.temperature = temperature
        self._forces = on_cpu
        self._llm = _start(
            model_folder(model),
            max_model_len=max_model_len,
            gpu_memory_utilization=gpu_memory_utilization,
            dtype="bfloat16" if on_cpu and dtype == "auto" else dtype,
            quantization=quantization,
            tensor_parallel_size=tensor_parallel_size,
            revision=revision,
            load_format=load_format,
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=max_num_batched_tokens,
            trust_remote_code=trust_remote_code,
            enforce_eager=on_cpu,
            logits_processors=[PROCESSOR] if on_cpu else None,
            block_size=32
            if on_cpu
            else None,  # tokens that the prefix cache keeps together: the least there is
        )
        self._config = self._llm.model_config
        self._name = name or self._config.model
        try:
            tokenizer = self._llm.get_tokenizer()
            self._chat, self._ends = Chat(tokenizer), _ends(tokenizer, self._config)
        except BaseException:
            self.close()
            raise
        self._noise = load_format == "dummy" or is_noise(self._config.model)

    def complete(
        self,
        prompts: Sequence[Prompt],
        schema: Schema | None,
        *,
        samples: int = 1,
        max_tokens: int = 64,
    ) -> list[Completion]:
        """Return `samples` compact JSON texts a prompt under `schema`, at the engine's temperature.

        Raises:
            EngineError: a prompt and its answer do not fit into the model's context (nothing is
                sent then), or the engine has died; `Interrupted` if it had answered some.
        """

        def read(outputs: list[list[Any]]) -> list[Completion]:
            return [
                Completion(
                    texts=tuple(sample.text for sample in output.outputs),
                    prompt_tokens=len(output.prompt_token_ids),
                    answer_tokens=sum(len(sample.token_ids) for sample in output.outputs),
                    cached_tokens=output.num_cached_tokens or 0,
                )
                for (output,) in outputs
            ]

        params = SamplingParams(
            n=samples,
            max_tokens=max_tokens,
            temperature=self.temperature,
            structured_outputs=None
            if schema is None
            else StructuredOutputsParams(json=json.dumps(schema)),
        )
        return self._generate(prompts, [_Question(params)], read)

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Score the options with the model's own probabilities: temperature 1, nothing filtered.

        Of options of several tokens, vLLM is made to say each that is no beginning of another, on a
        CPU; its runner for GPUs takes no such orders and is asked after each beginning.

        Raises:
            ValueError: there is no option, two options are the same tokens, or all together have
                more than 128 different tokens.
            EngineError: a prompt does not fit into the model's context (nothing is sent then), or
                the engine has died; `Interrupted` if it had answered some.
        """
        tree = option_tree(options, self._chat.answers(options), ends=self._ends)

        def read(outputs: list[list[Any]]) -> Choices:
            # At each place the first score is that of the token said, the others those of `asked`.
            shape = len(outputs), len(tree.tokens) + 1, len(tree.asked)
            scores = np.full(shape, np.nan)
            for row, said in enumerate(outputs):
                for (_, places), output in zip(asked, said, strict=True):
                    found = np.array(output.outputs[0].logprobs.logprobs, np.float64)
                    scores[row, places] = found.reshape(len(places), -1)[:, 1:]
            return choices(
                tree.log_probabilities(scores),
                [len(said[0].prompt_token_ids) for said in outputs],
                [min(output.num_cached_tokens or 0 for output in said) for said in outputs],
            )

        paths, asked = tree.paths, []
        for places in tree.branches if self._forces else [[place] for place in range(len(paths))]:
            before, forced = paths[places[0]], paths[places[-1]][len(paths[places[0]]) :]
            params = SamplingParams(
                max_tokens=len(forced) + 1,
                temperature=0.0,
                logprob_token_ids=list(tree.asked),
                detokenize=False,
                flat_logprobs=True,
                ignore_eos=True,
                extra_args={FORCED: forced} if forced else None,
            )
            asked.append((_Question(params, before), places))
        return self._generate(prompts, [question for question, _ in asked], read)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of the model's tokens of each text, without special tokens."""
        return [len(tokens) for tokens in self._chat.tokens(texts)]

    def describe(self) -> EngineInfo:
        """Say which weights answer, in which numbers, under which chat template."""
        return EngineInfo(
            engine="vllm",
            version=vllm_version,
            model=self._name,
            revision=self._config.revision
            or getattr(self._config.hf_config, "_commit_hash", None)
            or "local",
            dtype=str(self._config.dtype).removeprefix("torch."),
            quantization=self._config.quantization or "none",
            temperature=self.temperature,
            context=self._config.max_model_len,
            tokenizer="exact",
            chat_template=self._chat.digest,
            system_role=self._chat.system_role,
            noise=self._noise,
            weights="random noise" if self._noise else weights_of(self._config.model),
            **taught_entries(self._config.model),
        )

    def renew(self, seed: int) -> None:
        """Do nothing: no seed is sent, and nothing that was asked changes what is answered."""

    def close(self) -> None:
        """End the child process and free its memory. No call may follow."""
        self._llm.llm_engine.engine_core.shutdown(
            timeout=60.0
        )  # killed earlier, the child leaks memory
        self._llm.llm_engine.renderer.shutdown()

    def _generate(
        self,
        prompts: Sequence[Prompt],
        questions: Sequence[_Question],
        read: Callable[[list[list[Any]]], Reply],
    ) -> Reply:
        """Return what `read` makes of the outputs to all prompts, each asked all questions."""
        params = [question.params for question in questions]
        longest = max(len(said) + (each.max_tokens or 0) for each, said in questions)
        encoded = [
            TokensPrompt(prompt_token_ids=[*tokens, *question.said])
            for tokens in self._encode(prompts, longest)
            for question in questions
        ]
        rows: list[list[str]] = []
        finished: dict[str, Any] = {}

        def answers(places: Sequence[int]) -> Reply:
            return read([[finished[name] for name in rows[place]] for place in places])

        try:
            # enqueue names a request "7-1f3a", and its output "7"
            queued = self._llm.enqueue(encoded, params * len(prompts), use_tqdm=False)
            names = iter(name.partition("-")[0] for name in queued)
            rows += [[next(names) for _ in questions] for _ in prompts]
            with closing(self._answered(rows, finished)) as arriving:
                for places in arriving:
                    if self.hear is not None:
                        self.hear(places, answers(places))
        except EngineDeadError as error:
            message = "The vLLM engine has died (its last words are above): start it again."
            done = [place for place, names in enumerate(rows) if finished.keys() >= set(names)]
            if not done:
                raise EngineError(message) from error
            raise Interrupted(message, done, answers(done)) from error
        return answers(range(len(rows)))

    def _answered(
        self, rows: Sequence[Sequence[str]], finished: dict[str, Any]
    ) -> Generator[list[int]]:
        """Add outputs to `finished` as they come, and yield the rows that have become complete.

        Whoever stops listening, as by an interrupt, withdraws the rest: nothing waits for it.
        """
        engine = self._llm.llm_engine
        place_of = {name: place for place, names in enumerate(rows) for name in names}
        left = [len(names) for names in rows]
        try:
            while engine.has_unfinished_requests():
                complete = []
                for output in engine.step():
                    if output.finished:
                        finished[output.request_id] = output
                        place = place_of[output.request_id]
                        left[place] -= 1
                        complete += [place] * (left[place] == 0)
                if complete:
                    yield complete
        finally:
            if any(left):
                with suppress(EngineDeadError):
                    engine.abort_request([name for name in place_of if name not in finished])

    def _encode(self, prompts: Sequence[Prompt], answer: int) -> list[list[int]]:
        """Return the tokens of every prompt, after checking that they and their answers fit."""
        encoded = self._chat.encode(prompts)
        for place, tokens in enumerate(encoded):
            if len(tokens) + answer > self._config.max_model_len:
                raise EngineError(
                    f"Prompt {place} has {len(tokens)} tokens and its answer up to {answer}, but "
                    f"the model holds {self._config.max_model_len}: shorten the prompt, or raise "
                    "max_model_len."
                )
        return encoded


def _start(model: str, **options: Any) -> LLM:
    """Return vLLM with `model`, and JSON without free whitespace, where small models get lost."""
    compact = {"backend": "xgrammar", "disable_any_whitespace": True}
    try:
        return LLM(
            model,
            structured_outputs_config=compact,
            tokenizer_mode="hf",  # the tokenizers of mistral_common have no template to render
            enable_prefix_caching=True,
            use_tqdm_on_load=False,
            additional_config={"econjax": Lifeline("ends with its parent")},
            **options,
        )
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise EngineError(
            f"vLLM cannot start with the model {model!r} ({reason}): check its name, the network, "
            "the free memory, and that the script has a main guard (if __name__ == '__main__')."
        ) from error


def _ends(tokenizer: Any, config: Any) -> tuple[int, ...]:
    """Return the tokens that end an answer, by the tokenizer and the model's generation config."""
    more = config.try_get_generation_config().get("eos_token_id") or []
    found = [tokenizer.eos_token_id, *([more] if isinstance(more, int) else more)]
    return tuple(dict.fromkeys(token for token in found if token is not None))
