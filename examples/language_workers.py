"""Language-model workers behind an OpenAI-compatible server: one tax year under today's law.

python examples/language_workers.py http://localhost:8000/v1 MODEL
"""

import sys

import jax

import econjax as ej
from llm_policy import (
    Dedupe,
    Engine,
    LLMWorkers,
    OpenAIEngine,
    Society,
    Style,
    describe,
    draw_personas,
)


def live(engine: Engine, workers: int = 20, steps: int = 3) -> None:
    """Let census-calibrated people choose their hours step by step; print what came of it."""
    law = ej.us_federal(2024)
    population = ej.calibrate(ej.gb2(workers), law)
    economy = ej.Economy(population=population, preferences=ej.Quasilinear(0.25), max_labor=100.0)
    people = describe(draw_personas(jax.random.key(0), population))
    asked = LLMWorkers(Dedupe(engine), economy, people, style=Style(mode="text"))
    society = Society(asked, ej.Atkinson(1.0))
    report, _ = society.tax_year(jax.random.key(1), society.begin(law), law, steps=steps)
    rational = ej.RationalEvaluator(economy, ej.Atkinson(1.0)).value(law)
    print(f"Hours a week: {report.labor:.1f}; rational workers {rational.labor:.1f}.")
    print(f"Welfare: ${report.equivalent:,.0f}; rational workers ${rational.equivalent:,.0f}.")
    print(f"Answers that could be read: {report.understood:.0%}.")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    live(OpenAIEngine(*sys.argv[1:]))
