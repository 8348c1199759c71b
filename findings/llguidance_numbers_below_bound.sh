#!/usr/bin/env bash
# llguidance 1.9.1: under {"type": "number", "maximum": 0.37} no answer is 0.3, which every validator takes.
#
# Expected: every number within the bounds of a JSON schema can be written as JSON writes it.
# Seen: what the digits of an upper bound begin with is refused, with or without a minimum or an exclusive bound: 0.3 under 0.37, 0.3 and
# 0.39 under 0.396, 38.7 under 38.75, 0.9 under 0.95; below 0 under a lower bound. Its neighbours 0.29, 0.30 and 0.31 pass: after "0.3" the
# masks hold the digits 0 to 7 and no end of the number. A model that is sure of 30 % writes 0.30 or another number; nothing says so.
# Bounds of whole numbers, and of one decimal above 1, are free of it. A bound from a 32-bit float is the worst case: 41.7 becomes
# 41.70000076293945, and is refused itself. Remedy: an `anyOf` of the schema and of the same with shorter bounds (0.37, 0.3).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "llguidance==1.9.1" "jsonschema==4.26.0" "numpy==2.4.6"
cat > "$folder/look.py" <<'EOF2'
import json

import llguidance.numpy
import numpy as np
from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer

BYTES = LLTokenizer("byte")


def reading(schema, text):
    matcher = LLMatcher(BYTES, LLMatcher.grammar_from_json_schema(json.dumps(schema)), log_level=0)
    tokens = BYTES.tokenize_str(text)
    return matcher, matcher.try_consume_tokens(tokens) == len(tokens)


def takes(schema, text):
    matcher, read = reading(schema, text)
    return read and matcher.is_accepting()


def refused(schema, texts):
    """The numbers that a validator takes and the grammar does not."""
    valid = Draft202012Validator(schema).is_valid
    return [text for text in texts if valid(json.loads(text)) and not takes(schema, text)]


def number(**bounds):
    return {"type": "number"} | bounds


HUNDREDTHS = [f"{n / 100:g}" for n in range(-50, 120)]
f32 = float(np.float32(41.7))
seen = {
    "maximum 0.37": refused(number(maximum=0.37), HUNDREDTHS),
    "0 to 0.396": refused(number(minimum=0, maximum=0.396), HUNDREDTHS),
    "0 to 0.95": refused(number(minimum=0, maximum=0.95), HUNDREDTHS),
    "-0.25 to 0.25": refused(number(minimum=-0.25, maximum=0.25), HUNDREDTHS),
    "0 to below 0.37": refused(number(minimum=0, exclusiveMaximum=0.37), HUNDREDTHS),
    "0 to 1": refused(number(minimum=0, maximum=1), HUNDREDTHS),
    "0 to 38.75": refused(number(minimum=0, maximum=38.75), ["38.6", "38.7", "38.71", "38"]),
    f"0 to {f32}": refused(number(minimum=0, maximum=f32), ["41.6", "41.7", "41"]),
}
for bounds, texts in seen.items():
    print(f"{bounds}: refuses {', '.join(texts) or 'nothing'}")
assert list(seen.values()) == [["0.3"], ["0.3", "0.39"], ["0.9"], ["-0.2", "0.2"], ["0.3"], [], ["38.7"], ["41.7"]]
assert all(takes(number(maximum=0.37), text) for text in ("0.29", "0.30", "0.31", "0.37"))

matcher, read = reading(number(maximum=0.37), "0.3")
mask = llguidance.numpy.allocate_token_bitmask(1, BYTES.vocab_size)
llguidance.numpy.fill_next_token_bitmask(matcher, mask, 0)
after = [token for token in range(BYTES.vocab_size) if mask[0, token // 32] >> (token % 32) & 1]
print('after "0.3", under a maximum of 0.37:', BYTES.decode_str(after))
assert read and BYTES.decode_str(after) == "01234567"

remedy = {"anyOf": [number(maximum=0.37), number(maximum=0.3)]}
assert not refused(remedy, HUNDREDTHS) and not takes(remedy, "0.38")
EOF2
"$folder/env/bin/python" "$folder/look.py"
