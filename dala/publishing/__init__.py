"""What is published, as folders: the model and the Space.

- `samples`: sample pictures.
- `hub_samples`: sample pictures of a data set on the Hugging Face Hub.
- `card_notes`: `card.json`, the notes of a model card.
- `card_text`: the sentences of a model card that depend on a report.
- `laboratories`: the table of recipes on patients and laboratories held out.
- `laboratories_text`: that table as words and cells.
- `card_beside`: the files beside a report that go into its card.
- `card_sections`: the card on laboratories held out, sets in training and single failures.
- `model_card`: the model card from a report and notes.
- `runs`: read the runs of a report, and check them against each other.
- `choice`: the candidates of a recipe, ranked on patients and laboratories held out.
- `run_report`: write the report of cross-validated runs, its figures and the model card.
- `model_folder`: write the folder of a model.
- `pinned`: the network that the app starts with.
- `space`: write the folder of a Space.
"""
