"""Models in GGUF files, converted once into the layout that every engine reads."""
