"""What leaves a process: its log lines, its metrics, its traces, and the mask that all of it passes through."""
