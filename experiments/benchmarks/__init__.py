"""How fast, with how much memory, and against what: `econjax benchmark`."""
