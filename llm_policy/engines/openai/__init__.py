"""Any server that speaks OpenAI's chat protocol: vllm serve, OpenAI, OpenRouter, Gemini, Ollama."""

from llm_policy.engines.openai.engine import OpenAIEngine

__all__ = ["OpenAIEngine"]
