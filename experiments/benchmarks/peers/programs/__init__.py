"""Programs that call a peer's public functions. They run in the peer's environment, not in ours."""
