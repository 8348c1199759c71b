#!/usr/bin/env bash
# JAX 0.10.1 on a CPU: `jax.lax.optimization_barrier(x * y) + z` is one fused multiply-add, rounded once.
#
# Expected: its documentation says that barriers prevent fusions, that what is before one is not in the same kernel as what is after. So the
# product is rounded to float32, then the sum: what a compensated sum, or a comparison with another program digit by digit, wants it for.
# Seen: all results are those of one rounding, as without a barrier, and a quarter of them are not those of two. XLA drops the barrier before
# it fuses on a CPU: the compiled program has one kernel that multiplies and adds. (It does keep constants from being folded.) For the
# same reason an exponential is computed within the search for a largest value behind a barrier. Two jitted functions round twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "jax==0.10.1" "jaxlib==0.10.1" "numpy==2.3.5"
cat > "$folder/look.py" <<'EOF2'
import re

import jax
import jax.numpy as jnp
import numpy as np

draw = np.random.default_rng(0)
x, y, z = (draw.standard_normal(100_000).astype(np.float32) for _ in range(3))
barrier = jax.lax.optimization_barrier
ways = {
    "barrier": jax.jit(lambda x, y, z: barrier(x * y) + z),
    "no barrier": jax.jit(lambda x, y, z: x * y + z),
    "two programs": lambda x, y, z: jax.jit(jnp.add)(jax.jit(jnp.multiply)(x, y), z),
}
once = (x.astype(np.float64) * y + z).astype(np.float32)
twice = x * y + z
assert (once != twice).mean() > 0.1
for name, way in ways.items():
    found = np.asarray(way(x, y, z))
    print(f"{name}: rounded once {(found == once).all()}, rounded twice {(found == twice).all()}")


def kernels(function, *arguments):
    text = jax.jit(function).lower(*arguments).compile().as_text()
    return [part for part in text.split("\n\n") if part.strip().startswith("%fused")]


product = kernels(lambda x, y, z: barrier(x * y) + z, x, y, z)
print("one kernel multiplies and adds:", any("multiply(" in k and " add(" in k for k in product))
rows = x[:48_000].reshape(8, -1)
search = kernels(lambda x: jnp.argmax(barrier(jnp.exp(x)), axis=0), rows)
print("one kernel exponentiates and searches:", any("exponential(" in k and " reduce(" in k for k in search))
said = re.sub(r"\s+", " ", barrier.__doc__)
print("documented:", "Optimization barriers prevent compiler fusions" in said)
EOF2
said=$(JAX_PLATFORMS=cpu "$folder/env/bin/python" "$folder/look.py")
printf '%s\n' "$said"
diff - <(printf '%s\n' "$said") <<'EOF2'
barrier: rounded once True, rounded twice False
no barrier: rounded once True, rounded twice False
two programs: rounded once False, rounded twice True
one kernel multiplies and adds: True
one kernel exponentiates and searches: True
documented: True
EOF2
