import json

import pytest

from llm_policy.tiny_model import CONTEXT, SINGLE_TOKENS, build_tiny_model, is_noise


def test_the_model_says_that_it_is_noise(tiny_model):
    assert json.loads((tiny_model / "config.json").read_text())["econjax_noise"] is True
    assert "not a language model" in (tiny_model / "README.md").read_text()
    assert is_noise(tiny_model)
    assert not is_noise(tiny_model.parent)


def test_numbers_and_letters_are_single_tokens(tiny_model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    assert all(len(tokenizer.encode(text, add_special_tokens=False)) == 1 for text in SINGLE_TOKENS)
    text = 'Ärger {"hours": 40}\n'
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    assert tokenizer.model_max_length == CONTEXT


def test_building_again_changes_nothing_and_the_same_seed_gives_the_same_bytes(tiny_model, tmp_path):
    def read(folder):
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    before = read(tiny_model)
    stamps = {file.name: file.stat().st_mtime_ns for file in tiny_model.iterdir()}
    assert build_tiny_model(tiny_model) == tiny_model
    assert stamps == {file.name: file.stat().st_mtime_ns for file in tiny_model.iterdir()}
    assert read(build_tiny_model(tmp_path / "again")) == before
    assert read(build_tiny_model(tmp_path / "other", seed=1)) != before
    assert {path.name for path in tmp_path.iterdir()} == {"again", "other"}


def test_a_folder_of_something_else_is_left_alone(tiny_model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not this tiny model"):
        build_tiny_model(tmp_path)
    with pytest.raises(FileExistsError, match="is not this tiny model"):
        build_tiny_model(tiny_model, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
