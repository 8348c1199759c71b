"""The questions of `sense` as tasks for other harnesses: data, task files, and the one scoring."""

import importlib.resources
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from experiments.report.console import NOTES, mistakes
from experiments.sense.command import items_of
from experiments.sense.config import SenseTasksConfig
from llm_policy.answers import objects
from llm_policy.engines.wrappers.currency import rename
from llm_policy.prompts.workers import Mode
from llm_policy.sense import scoring
from llm_policy.sense.items import Family, SenseItem
from llm_policy.sense.scoring import MEASURES

ITEMS = "items.jsonl"
"""The file of all questions, one a line."""


def run_sense_tasks(config: SenseTasksConfig) -> None:
    """Write the folder.

    Raises:
        Mistake: there is such a folder, or the economy makes no questions.
    """
    with mistakes():
        config.check()
        if config.folder.exists():
            raise ValueError(f"{config.folder} exists: give another name, or move it away.")
        items = items_of(config)
        currency = config.currency_of_prompts()

    def translated(text: str) -> str:
        return text if currency is None else rename(text, currency)

    config.folder.mkdir(parents=True)
    for name, text in task_files(items, translated).items():
        (config.folder / name).write_text(text, encoding="utf-8")
    NOTES.print(
        f"Written: {len(items):,} questions and tasks in {config.folder}. How to run them: "
        f"{config.folder / 'README.md'}",
        markup=False,
    )


def task_files(
    items: Sequence[SenseItem], translated: Callable[[str], str] = str
) -> dict[str, str]:
    """Return all files of the tasks, by name; equal questions make equal files."""
    harness = importlib.resources.files("experiments.sense.harness")
    copied = ("README.md", "inspect_tasks.py", "lm_eval_tasks.py")
    files = {name: harness.joinpath(name).read_text("utf-8") for name in copied}
    files["sense_scoring.py"] = scoring_source()
    lines = [json.dumps(item_record(item, translated), ensure_ascii=False) for item in items]
    files[ITEMS] = "".join(f"{line}\n" for line in lines)
    return files | dict(_lm_eval_files())


def item_record(item: SenseItem, translated: Callable[[str], str] = str) -> dict[str, Any]:
    """Return a question as it stands in the data: the system message is by mode."""
    system = {mode: translated(item.prompt(mode).shared) for mode in get_args(Mode)}
    facts = item.answered(None)
    del facts["chosen"]
    user = translated(item.question)
    return {"id": item.id, **facts, "letters": item.letters, "system": system, "user": user}


def scoring_source() -> str:
    """Return the modules that read and score answers as one, which imports nothing of here."""
    reading, rule = inspect.getsource(objects), inspect.getsource(scoring)
    own = f"from {objects.__name__} import objects_in\n"
    assert own in rule, "the scoring reads JSON objects as all of the project does"
    return f"{reading}\n\n{rule.replace(own, '')}"


def _lm_eval_files() -> Iterator[tuple[str, str]]:
    """Yield lm-evaluation-harness's files: a task for each family and mode, a group for each mode.

    Choices are scored by the likelihood of letters, texts are generated.
    """
    for mode in get_args(Mode):
        end = "" if mode == "choice" else "_text"
        names = [f"econjax_{family}{end}" for family in get_args(Family)]
        for family, name in zip(get_args(Family), names, strict=True):
            yield f"{name}.yaml", _task_yaml(name, family, mode)
        listed = "".join(f"  - {name}\n" for name in names)
        yield f"econjax_sense{end}.yaml", f"group: econjax_sense{end}\ntask:\n{listed}"


def _task_yaml(name: str, family: Family, mode: Mode) -> str:
    metrics = "".join(
        f"  - metric: {measure.name}\n"
        f"    aggregation: !function lm_eval_tasks.{measure.name}\n"
        "    higher_is_better: true\n"
        for measure in MEASURES
        if measure.family == family
    )
    return (
        f"task: {name}\n"
        "custom_dataset: !function lm_eval_tasks.questions\n"
        f"dataset_kwargs:\n  family: {family}\n  mode: {mode}\n"
        "test_split: test\n"
        'description: "{{system}}"\n'
        'doc_to_text: "{{user}}"\n'
        f"{_ASKED[mode]}"
        "process_results: !function lm_eval_tasks.process_answer\n"
        f"metric_list:\n{metrics}"
        "num_fewshot: 0\n"
    )


_ASKED: dict[Mode, str] = {
    "choice": (
        "output_type: multiple_choice\n"
        "doc_to_choice: options\n"
        "doc_to_target: 0\n"  # the scoring knows the targets, and that some questions have none
    ),
    "text": (
        "output_type: generate_until\n"
        'doc_to_target: ""\n'
        "generation_kwargs:\n  until: []\n  do_sample: false\n  max_gen_toks: 32\n"
    ),
}
