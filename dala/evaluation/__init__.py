"""How good a classifier is.

- `inference`: logits of a network on labelled pictures.
- `predictions`: held-out predictions of a cross-validated run.
- `calibration`: calibration error and temperature scaling.
- `metrics`: metrics by picture and by patient.
- `bootstrap`: confidence intervals and paired tests over patients.
- `laboratories`: fit the check of laboratories, and its error rates.
- `summary`: summary of a run, the key "scores" of its report.
- `comparison`: compare several runs.
- `held_out`: scores on one laboratory held out.
- `choice`: the rule by which a recipe is chosen.
- `plots`: figures of a model card.
- `plots_laboratories`: its figure of laboratories held out.
"""
