"""Few language models who stand for many workers: cells, nodes of skill, what that errs by."""
