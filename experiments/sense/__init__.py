"""What a model knows of taxes: `econjax sense`, and its questions as tasks for other harnesses."""
