#!/usr/bin/env bash
# jax 0.10.1: whoever saves and restores the precision inside `with jax.enable_x64(True)` leaves float64 on.
#
# Expected: a program that keeps a setting, changes it with jax.config.update and puts back what it kept changes
# nothing, wherever it is called from.
# Seen: within the block the setting reads as the block's value (jax.config.read, jax.config.values and the
# attribute alike), but jax.config.update writes the global one. What is put back is so the block's value, which
# outlives the block, in every thread: all later programs compute in float64, and arrays made before no longer fit
# (updates of optimisers warn that they cannot be cast). Nothing public reads the global value inside the block:
# read it before any block, as when a module is imported.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "jax==0.10.1" "jaxlib==0.10.1" 2>/dev/null
cat > "$folder/restored.py" <<'EOF2'
import threading

import jax
import jax.numpy as jnp


def careful():
    """Compute something in float32 and leave the setting as it was."""
    kept = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", False)
    try:
        return jnp.ones(3).sum()
    finally:
        jax.config.update("jax_enable_x64", kept)


def precision():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(str(jnp.ones(1).dtype)))
    thread.start()
    thread.join()
    return f"{jnp.ones(1).dtype} here, {seen[0]} in a new thread"


print("before:", precision())
careful()
print("after a call outside of any block:", precision())
with jax.enable_x64(True):
    careful()
print("after a call within a block that has ended:", precision())
EOF2
"$folder/venv/bin/python" "$folder/restored.py" 2>/dev/null | tee "$folder/seen"
diff "$folder/seen" - <<'EOF2'
before: float32 here, float32 in a new thread
after a call outside of any block: float32 here, float32 in a new thread
after a call within a block that has ended: float64 here, float64 in a new thread
EOF2
