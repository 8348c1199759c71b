#!/usr/bin/env bash
# Inspect 0.3.285: its fake model `mockllm/model`, made for tests, needs a network: it fetches a tokenizer from a server.
#
# Expected: a model that answers "Default output from mockllm/model" without asking anybody runs anywhere, in a sandbox without
# a network too.
# Seen: where an output says no usage (and the default output says none), mockllm counts tokens with tiktoken's o200k_base, which is
# downloaded from openaipublic.blob.core.windows.net when it is first wanted: the evaluation tries for a while and then ends with status
# "error". An output whose `usage` is set asks for nothing, and the same evaluation succeeds.
# (No network stands here for a proxy that nobody answers at, and an empty cache of tiktoken's.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "inspect-ai==0.3.285" "tiktoken==0.14.0"
cat > "$folder/look.py" <<'EOF'
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model


def status(**options):
    model = get_model("mockllm/model", memoize=False, **options)
    [log] = eval(Task(dataset=[Sample(input="Hello")]), model=model, display="none", log_dir="logs")
    return log.status, "" if log.error is None else log.error.message


said = ModelOutput.from_content("mockllm/model", "Hello")
said.usage = ModelUsage()
plain, why = status()
print(f"the default output: {plain}; {why[:60]}...")
counted, _ = status(custom_outputs=[said])
print(f"an output that says its usage: {counted}")
assert (plain, counted) == ("error", "success")
assert "o200k_base" in why or "openaipublic" in why
EOF
cd "$folder"
HTTPS_PROXY=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 TIKTOKEN_CACHE_DIR="$folder/cache" "$folder/env/bin/python" look.py
