import json

import pytest

from llm_policy.engines.base import EngineError
from llm_policy.engines.embedded.random_weights import (
    CONTEXT,
    SHAPES,
    SINGLE_TOKENS,
    build_shape,
    build_tiny_model,
    shape_name,
)
from llm_policy.engines.provenance import is_noise


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


def test_building_again_changes_nothing_and_the_same_seed_gives_the_same_bytes(
    tiny_model, tmp_path
):
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


PARAMETERS = {  # as the published weights count them, an embedding that is also the output once
    "qwen3-0.6b": 596_049_920,
    "llama-3.2-1b": 1_235_814_400,
    "mistral-7b": 7_248_023_552,
    "llama-3.1-8b": 8_030_261_248,
    "qwen3-8b": 8_190_735_360,
}


@pytest.mark.parametrize("shape", PARAMETERS)
def test_a_shape_has_as_many_parameters_as_the_model_it_is_named_after(shape, tmp_path):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    folder = build_shape(tmp_path / shape_name(shape), shape)
    assert build_shape(folder, shape) == folder
    assert is_noise(folder)
    assert list(folder.glob("*.safetensors")) == []
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    assert sum(weight.numel() for weight in model.parameters()) == PARAMETERS[shape]
    assert len(AutoTokenizer.from_pretrained(folder)) <= SHAPES[shape].vocab_size


def test_shapes_are_told_apart(tmp_path):
    assert len({shape_name(shape) for shape in SHAPES}) == len(SHAPES)
    build_shape(tmp_path / "one", "tiny")
    with pytest.raises(FileExistsError, match="is not this tiny model"):
        build_shape(tmp_path / "one", "qwen3-8b")
    with pytest.raises(
        EngineError, match=r"no shape 'llama'\. Name one of these: tiny, qwen3-0\.6b"
    ):
        build_shape(tmp_path / "two", "llama")
