"""How far one map can be trusted: deletion and insertion, randomization, robustness."""
