import pytest

from llm_policy.engines._chat import Chat
from llm_policy.engines.base import EngineError, Prompt

SHARED = ["You are a worker. A higher tax rate lowers income.", "You are the planner."]
PROMPTS = [Prompt(shared, f"Your skill is {skill}.") for skill in range(5) for shared in SHARED]
TURNS = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}<|assistant|>\n"
)
TEMPLATES = {
    "turns": TURNS,
    "trimmed": TURNS.replace("m.content", "m.content | trim"),
    "one turn": "<|user|>\n{{ messages[0].content }}\n\n{{ messages[1].content }}<|end|>\n",
    "no border": "{{ messages[0].content }}{{ messages[1].content }}<|end|>",
    "said twice": "{{ messages[1].content }} {{ messages[0].content }}\n{{ messages[1].content }}",
    "upper case": "{{ messages[0].content }}\n{{ messages[1].content | upper }}",
    "only the question": "{{ messages[-1].content }}<|end|>",
    "no system role": "{% if messages[0].role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}" + TURNS,
    "none": "",
}


class Spy:
    """Counts the characters that a tokenizer reads, and the chats that it renders."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self.chat_template = tokenizer.chat_template
        self.read = self.rendered = 0

    def __call__(self, texts, **options):
        self.read += sum(map(len, texts))
        return self._tokenizer(texts, **options)

    def apply_chat_template(self, chats, **options):
        self.rendered += len(chats)
        return self._tokenizer.apply_chat_template(chats, **options)

    def get_chat_template(self):
        return self._tokenizer.get_chat_template()


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("edit", ["{}", " {}", "{}\n", "\n{} ", "'s {}", ""])
def test_a_batch_has_the_tokens_that_its_prompts_have_alone(tokenizer, template, edit):
    prompts = [Prompt(shared, edit.format(personal)) for shared, personal in PROMPTS]
    batch, alone = Chat(tokenizer, TEMPLATES[template]), Chat(tokenizer, TEMPLATES[template])
    expected = [alone.encode([prompt])[0] for prompt in prompts]
    assert batch.encode(prompts) == expected
    assert batch.encode([*PROMPTS, *prompts])[len(PROMPTS) :] == expected


@pytest.mark.parametrize("template", ["turns", "no system role"])
def test_the_shared_text_is_rendered_and_read_once(tokenizer, template):
    spy = Spy(tokenizer)
    chat = Chat(spy, TEMPLATES[template])
    assert spy.rendered == 2 - chat.system_role, (
        "what the template does with the roles is tried once"
    )
    spy.rendered = 0
    prompts = [Prompt("You are a worker. " * 100, f"Your skill is {skill}.") for skill in range(50)]
    for _ in range(3):
        chat.encode(prompts)
    assert spy.rendered == 2, "the frame, and one prompt to compare it with"
    assert spy.read < 3 * 1800 + 3 * sum(len(prompt.personal) + 50 for prompt in prompts)


def test_thinking_is_off_and_a_model_without_a_template_reads_plain_text(tokenizer):
    template = TURNS + " thinking={{ enable_thinking }} end={{ add_generation_prompt }}"
    (tokens,) = Chat(tokenizer, template).encode([Prompt("You work.", "How many hours?")])
    assert tokenizer.decode(tokens).endswith(" thinking=False end=True")
    (tokens,) = Chat(tokenizer, "").encode([Prompt("You work.", "How many hours?")])
    assert tokenizer.decode(tokens) == "You work.\n\nHow many hours?\n"


def test_an_empty_batch_has_no_tokens(tokenizer):
    assert Chat(tokenizer).encode([]) == Chat(tokenizer).tokens([]) == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_template_loses_the_shared_text(tokenizer, template):
    chat = Chat(tokenizer, TEMPLATES[template])
    assert chat.system_role == (template not in ("no system role", "only the question", "none"))
    (tokens,) = chat.encode([Prompt("You work.", "how many hours?")])
    text = tokenizer.decode(tokens)
    assert "You work." in text
    assert "how many hours?" in text.lower()
    if template == "no system role":
        assert text == "<|user|>\nYou work.\n\nhow many hours?<|end|>\n<|assistant|>"


@pytest.mark.parametrize("template", ["{{ raise_exception('No chats today') }}", "Hello!"])
def test_a_template_that_takes_no_question_is_an_error(tokenizer, template):
    with pytest.raises(
        EngineError, match=r"takes neither .*(No chats today|leaves the text out).*: use a model"
    ):
        Chat(tokenizer, template)
