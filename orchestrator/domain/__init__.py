"""States, events, reports, checkpoints and the rules that hold between them. No I/O, no third-party import."""
