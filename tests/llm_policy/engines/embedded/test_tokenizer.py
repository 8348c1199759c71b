"""Tokenizers and chat templates as real folders hold them."""

import datetime
import json
import shutil

import pytest

from llm_policy.engines.base import EngineError
from llm_policy.engines.embedded.tokenizer import Tokens

CHAT = [{"role": "user", "content": 'Say "ü" & <b>.'}]
RENDER = {"tokenize": False, "add_generation_prompt": True}
TEMPLATES = {
    "json": "{{ messages | tojson }}{{ messages[0] | tojson(indent=2) }}",
    "date": "Today Date: {{ strftime_now('%d %b %Y') }}\n{{ messages[0].content }}",
    "loops": "{% for m in [1, 2, 3] %}{% if m == 2 %}{% continue %}{% endif %}{{ m }}{% endfor %}",
    "answers": "{% generation %}\n{{ messages[0].content }}{% endgeneration %}<|end|>",
    "special": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ unknown_token }}",
    "spaces": "  {% if true %}\n  {{ messages[0]['content'] }}\n  {% endif %}\n",
}


@pytest.fixture
def folder(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "model")


def change(folder, name, **entries):
    file = folder / name
    old = json.loads(file.read_text()) if file.is_file() else {}
    kept = {key: value for key, value in (old | entries).items() if value is not None}
    file.write_text(json.dumps(kept))


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_are_rendered_as_transformers_renders_them(folder, name):
    from transformers import AutoTokenizer

    (folder / "chat_template.jinja").write_text(TEMPLATES[name])
    expected = AutoTokenizer.from_pretrained(folder).apply_chat_template(CHAT, **RENDER)
    tokens = Tokens(folder)
    own = tokens.get_chat_template()
    assert tokens.apply_chat_template([CHAT], chat_template=own, **RENDER) == [expected]
    if name == "date":
        assert datetime.datetime.now().strftime("%b %Y") in expected


def test_of_several_templates_the_default_one_is_taken(folder):
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    several = [{"name": name, "template": f"{name}!"} for name in ("tool_use", "default", "rag")]
    change(folder, "tokenizer_config.json", chat_template=several)
    assert Tokens(folder).chat_template == "default!"


@pytest.mark.parametrize("stated", ["<|end|>", {"content": "<|end|>", "lstrip": False}])
def test_the_end_may_be_stated_with_its_properties(folder, stated):
    change(folder, "tokenizer_config.json", eos_token=stated, add_bos_token=True)
    tokens = Tokens(folder)
    assert tokens.tokenizer.id_to_token(tokens.end) == "<|end|>"
    (text,) = tokens.apply_chat_template([CHAT], chat_template="{{ eos_token }}", **RENDER)
    assert text == "<|end|>"


def test_all_ends_of_an_answer_are_known(folder):
    change(folder, "generation_config.json", eos_token_id=[5, 2, 2])
    tokens = Tokens(folder)
    assert tokens.ends == list(dict.fromkeys([tokens.end, 5, 2]))


def test_the_end_may_be_stated_elsewhere_and_must_be_stated(folder):
    change(folder, "tokenizer_config.json", eos_token=None)
    change(folder, "generation_config.json", eos_token_id=[5, 4])
    assert Tokens(folder).ends == [5, 4]
    (folder / "generation_config.json").unlink()
    change(folder, "config.json", eos_token_id=3)
    assert Tokens(folder).ends == [3]
    change(folder, "config.json", eos_token_id=None)
    with pytest.raises(EngineError, match="names no eos_token: name what ends answers"):
        Tokens(folder)
