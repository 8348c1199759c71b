#!/usr/bin/env bash
# SciPy 1.17.1: stats.quantile with weights that sum to 1 gives a median below the first decile, and says nothing.
#
# Expected: quantiles depend on how weights compare, as with numpy.quantile, or weights that cannot be meant are refused. Weights that
# sum to 1, or a survey's in thousands of people, are the usual ones. Whatever weights mean, quantiles rise with the probability.
# Seen: weights are counts of observations, and their sum is the size of the sample: with weights that sum to 1 a sample of one. Of
# incomes 1,000 to 100,000 in equal steps, method "linear", which is the default, gives 1,000 for every quantile, the highest too, with
# weights of 1/100, and 50,500 for the median with weights of 1. "hazen" gives 36,400, 1,000 and 64,600 for the first decile, the median and
# the ninth. Seven of the nine methods that take weights depend on their scale. The help text calls them frequency weights, takes others,
# and grants them no "valid statistical interpretations"; nothing is raised or warned of, and the shape of the result is the right one.
# Remedy: method="inverted_cdf" or "averaged_inverted_cdf", or weights scaled to sum to the number of people asked.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "scipy==1.17.1" "numpy==2.4.6"
cat > "$folder/look.py" <<'EOF2'
import warnings

import numpy as np
from scipy import stats

warnings.simplefilter("error")
INCOMES = 1_000.0 * np.arange(1, 101)
CHANCES = np.array([0.1, 0.5, 0.9, 1.0])
METHODS = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull "
    "linear median_unbiased normal_unbiased"
).split()


def found(method, weight):
    weights = np.full(len(INCOMES), weight)
    return stats.quantile(INCOMES, CHANCES, weights=weights, method=method)


scaled = []
for method in METHODS:
    counted, shares = found(method, 1.0), found(method, 0.01)
    print(f"{method}: weights of 1 {counted.round().tolist()}, of 1/100 {shares.round().tolist()}")
    assert np.all(np.diff(counted) >= 0)
    if not np.allclose(counted, shares, atol=1_001):  # a rounded sum of weights moves it by a step
        scaled.append(method)
print("depend on the scale of the weights:", ", ".join(scaled))
assert scaled == METHODS[2:]

assert np.allclose(found("linear", 0.01), 1_000)
tenth, median, ninth, _ = found("hazen", 0.01)
assert median < tenth < ninth and np.allclose([tenth, median, ninth], [36_400, 1_000, 64_600])
by_numpy = [
    np.quantile(INCOMES, CHANCES, weights=np.full(100, weight), method="inverted_cdf")
    for weight in (1.0, 0.01)
]
assert np.allclose(*by_numpy, atol=1_001)
EOF2
"$folder/env/bin/python" "$folder/look.py"
