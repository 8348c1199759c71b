"""What language-model workers may stand for: certificates beside people, and cards."""
