"""Questions about taxes with known answers, and how answers to them are scored."""
