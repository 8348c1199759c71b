"""The engine that runs Llama models in JAX."""
