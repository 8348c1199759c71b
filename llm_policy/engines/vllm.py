"""vLLM in this machine's memory, in a child process of this one: offline batches, and tests on a CPU."""

import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from llm_policy.engine import Choices, Completion, EngineError, Prompt, Schema
from llm_policy.engines.folder import model_folder
from llm_policy.engines.scores import choices, single_tokens
from llm_policy.tiny_model import is_noise

os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # a fork would copy JAX's threads
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB; read on a machine without a GPU only
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

from vllm import LLM, SamplingParams, TokensPrompt
from vllm import __version__ as vllm_version
from vllm.platforms import current_platform
from vllm.sampling_params import StructuredOutputsParams
from vllm.v1.engine.exceptions import EngineDeadError


class VLLMEngine:
    """A model loaded by vLLM. Construction takes seconds to minutes; a script needs a main guard.

    `model` is a folder, or a name on the model hub. `temperature` is that of `complete`; `choose`
    always scores at temperature 1. `gpu_memory_utilization` is the share of the GPU's memory that
    vLLM takes: leave room for JAX (`XLA_PYTHON_CLIENT_MEM_FRACTION`). Every other option is vLLM's
    own. On a machine without a GPU the model runs eagerly, in bfloat16 unless `dtype` says otherwise.
    Answers are not repeatable: a seed per request stops the CPU backend. Record them in a journal.

    Raises:
        EngineError: the model does not exist or vLLM cannot start with it.
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
    ) -> None:
        on_cpu = current_platform.is_cpu()
        if on_cpu:  # for the child: the kernels it would compile save nothing, cost 15 s and need a compiler
            os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")
        self.temperature = temperature
        self._llm = _start(
            model_folder(model),
            max_model_len=max_model_len,
            gpu_memory_utilization=gpu_memory_utilization,
            dtype="bfloat16" if on_cpu and dtype == "auto" else dtype,
            quantization=quantization,
            tensor_parallel_size=tensor_parallel_size,
            revision=revision,
            enforce_eager=on_cpu,
        )
        self._config = self._llm.model_config
        self._tokenizer: Any = self._llm.get_tokenizer()
        self._template = self._tokenizer.get_chat_template() if self._tokenizer.chat_template else ""

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        """Return compact JSON under `schema`, `samples` texts a prompt, at the engine's temperature.

        Raises:
            ValueError: a prompt and its answer do not fit into the model's context.
            EngineError: the engine has died.
        """
        params = SamplingParams(
            n=samples,
            max_tokens=max_tokens,
            temperature=self.temperature,
            structured_outputs=StructuredOutputsParams(json=json.dumps(schema)),
        )
        return [
            Completion(
                texts=tuple(sample.text for sample in output.outputs),
                prompt_tokens=len(output.prompt_token_ids),
                answer_tokens=sum(len(sample.token_ids) for sample in output.outputs),
            )
            for output in self._generate(prompts, params, answer_tokens=max_tokens)
        ]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Score the options with the model's own probabilities: temperature 1, nothing filtered.

        Raises:
            ValueError: an option is not a single token of this model, two options are the same token,
                there are more than 128 of them, or a prompt does not fit into the model's context.
            EngineError: the engine has died.
        """
        encode = self._tokenizer.encode
        tokens = single_tokens(options, [encode(option, add_special_tokens=False) for option in options])
        params = SamplingParams(
            max_tokens=1, temperature=0.0, logprob_token_ids=tokens, detokenize=False, flat_logprobs=True
        )
        outputs = self._generate(prompts, params, answer_tokens=1)
        # The first score is that of the token vLLM picked, the others are those of `tokens`, in order.
        scores = [output.outputs[0].logprobs.logprobs[1:] for output in outputs]
        raw = np.array(scores, dtype=np.float64).reshape(len(prompts), len(tokens))
        return choices(raw, np.array([len(output.prompt_token_ids) for output in outputs], dtype=np.int64))

    def describe(self) -> dict[str, str | int | float | bool]:
        """Say which weights answer, in which numbers, under which chat template."""
        template = hashlib.sha256(self._template.encode()).hexdigest()[:16]
        noise = is_noise(self._config.model)
        return {
            "engine": "vllm",
            "version": vllm_version,
            "model": self._config.model,
            "revision": self._config.revision
            or getattr(self._config.hf_config, "_commit_hash", None)
            or "local",
            "dtype": str(self._config.dtype).removeprefix("torch."),
            "quantization": self._config.quantization or "none",
            "temperature": self.temperature,
            "context": self._config.max_model_len,
            "chat_template": template if self._template else "none",
            "noise": noise,
            "weights": "random noise" if noise else "the model's own",
        }

    def close(self) -> None:
        """End the child process and free its memory. No call may follow."""
        self._llm.llm_engine.engine_core.shutdown()
        self._llm.llm_engine.renderer.shutdown()

    def _generate(
        self, prompts: Sequence[Prompt], params: SamplingParams, *, answer_tokens: int
    ) -> list[Any]:
        """Return vLLM's output for every prompt, in order, after checking that everything fits."""
        encoded = self._encode(prompts) if prompts else []
        for place, tokens in enumerate(encoded):
            if len(tokens) + answer_tokens > self._config.max_model_len:
                raise ValueError(
                    f"Prompt {place} has {len(tokens)} tokens and its answer up to {answer_tokens}, but the "
                    f"model holds {self._config.max_model_len}: shorten the prompt, or raise max_model_len."
                )
        try:
            return self._llm.generate(
                [TokensPrompt(prompt_token_ids=tokens) for tokens in encoded], params, use_tqdm=False
            )
        except EngineDeadError as error:
            raise EngineError(
                "The vLLM engine has died (its last words are above): start it again."
            ) from error

    def _encode(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Return the tokens of every prompt, ready for the model to answer, thinking turned off."""
        if not self._template:
            texts = [f"{shared}\n\n{personal}\n" for shared, personal in prompts]
            return self._tokenizer(texts, verbose=False)["input_ids"]
        chats = [
            [{"role": "system", "content": shared}, {"role": "user", "content": personal}]
            for shared, personal in prompts
        ]
        texts = self._tokenizer.apply_chat_template(
            chats,
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        return self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]


def _start(model: str, **options: Any) -> LLM:
    """Return vLLM with `model` loaded, and JSON without free whitespace, in which small models get lost."""
    compact = {"backend": "xgrammar", "disable_any_whitespace": True}
    try:
        return LLM(model, structured_outputs_config=compact, use_tqdm_on_load=False, **options)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise EngineError(
            f"vLLM cannot start with the model {model!r} ({reason}): check its name, the network, the "
            "free memory, and that the script has a main guard (if __name__ == '__main__')."
        ) from error
