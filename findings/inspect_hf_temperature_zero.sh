#!/usr/bin/env bash
# Inspect 0.3.285: a model in this process (`hf/...`) cannot be asked at temperature 0, as every other provider is for repeatable scores.
#
# Expected: `temperature=0` takes the likeliest token at every step, as it does for servers; at the least a task that says so runs.
# Seen: the provider samples (`do_sample=True`) whatever the temperature, and transformers 5.19.0 refuses to sample at 0: every sample
# of the evaluation ends in a ValueError, whose text speaks of transformers' arguments, not of Inspect's. Without a temperature
# answers are drawn and differ from run to run. The model argument `do_sample=False` (`-M do_sample=false`) does what 0 means.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "inspect-ai==0.3.285" "transformers==5.19.0" "accelerate==1.15.0" "tokenizers==0.23.3" \
    "torch==2.13.0"
cat > "$folder/look.py" <<'EOF2'
import torch
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.solver import generate
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

torch.manual_seed(0)
words = ["<end>", "<unknown>", "user", "assistant", ":", *(f"w{place}" for place in range(59))]
places = {word: place for place, word in enumerate(words)}
splitter = Tokenizer(models.WordLevel(places, unk_token="<unknown>"))
splitter.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokens = PreTrainedTokenizerFast(
    tokenizer_object=splitter, eos_token="<end>", pad_token="<end>", unk_token="<unknown>"
)
tokens.chat_template = (
    "{% for m in messages %}{{ m.role }} : {{ m.content }} {% endfor %}"
    "{% if add_generation_prompt %}assistant :{% endif %}"
)
tokens.save_pretrained("model")
small = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
LlamaForCausalLM(
    LlamaConfig(vocab_size=64, eos_token_id=0, pad_token_id=0, bos_token_id=None, **small)
).save_pretrained("model")


def said(temperature, **options):
    model = get_model("hf/local", model_path="model", device="cpu", memoize=False, **options)
    config = GenerateConfig(temperature=temperature, max_tokens=24)
    task = Task(dataset=[Sample(input="w1 w2 w3")], solver=generate(), config=config)
    [log] = eval(task, model=model, display="none", log_dir="logs", fail_on_error=False)
    [sample] = log.samples
    return sample.output.completion if sample.error is None else f"error: {sample.error.message}"


at_zero = said(0.0)
drawn = {said(None) for _ in range(3)}
likeliest = {said(0.0, do_sample=False) for _ in range(3)}
print(f"temperature 0: {at_zero[:90]}")
print(f"no temperature: {len(drawn)} different texts of 3")
print(f"do_sample=False: {len(likeliest)} of 3")
assert at_zero.startswith("error:") and "strictly positive" in at_zero
assert len(drawn) > 1
assert len(likeliest) == 1 and not likeliest.pop().startswith("error")
EOF2
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/env/bin/python" look.py 2>&1 | grep -v "Writing model\|Loading weights\|generation flags"
