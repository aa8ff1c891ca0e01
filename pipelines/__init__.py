"""Real jobs from start to end; each folder has a run.py, a settings.toml and a README.md."""
