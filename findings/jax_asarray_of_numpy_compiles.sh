#!/usr/bin/env bash
# jax 0.10.1: jnp.asarray of a NumPy array compiles a program for every new shape. In 0.7.0 it did not.
#
# Expected: outside `jit`, jnp.asarray(numpy_array) copies numbers to the device, as in 0.7.0 and as jax.device_put does.
# Seen: jnp.asarray of an array of NumPy, where no dtype is said, "stages" it, as jnp.array does: one compilation for each
# shape and dtype, some 10 ms each and kept in memory. Whoever walks over data of many lengths (files, groups, batches
# of what is left) compiles as many programs as there are lengths. Saying the dtype that the array has avoids it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/count.py" <<'EOF2'
import jax
import jax.numpy as jnp
import numpy as np

compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: compiled.append(event) if event.endswith("backend_compile_duration") else None
)
WAYS = {
    "jnp.asarray": jnp.asarray,
    "jnp.array": jnp.array,
    "jnp.asarray with its own dtype": lambda values: jnp.asarray(values, jnp.float32),
    "jax.device_put": jax.device_put,
}
length = 0
for name, way in WAYS.items():
    compiled.clear()
    for length in range(length + 1, length + 21):
        way(np.ones(length, np.float32)).block_until_ready()
    print(f"jax {jax.__version__}: {name}: 20 lengths, {len(compiled)} compilations")
EOF2
for version in 0.7.0 0.10.1; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "jax==$version" "jaxlib==$version" 2>/dev/null
    "$folder/$version/bin/python" "$folder/count.py" 2>/dev/null
done | tee "$folder/seen"
diff "$folder/seen" - <<'EOF2'
jax 0.7.0: jnp.asarray: 20 lengths, 0 compilations
jax 0.7.0: jnp.array: 20 lengths, 20 compilations
jax 0.7.0: jnp.asarray with its own dtype: 20 lengths, 0 compilations
jax 0.7.0: jax.device_put: 20 lengths, 0 compilations
jax 0.10.1: jnp.asarray: 20 lengths, 20 compilations
jax 0.10.1: jnp.array: 20 lengths, 20 compilations
jax 0.10.1: jnp.asarray with its own dtype: 20 lengths, 0 compilations
jax 0.10.1: jax.device_put: 20 lengths, 0 compilations
EOF2
