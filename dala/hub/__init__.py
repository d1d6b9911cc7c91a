"""The Hugging Face Hub: download and upload of model repositories, and the format of their report.

- `layout`: file names of a model repository.
- `errors`: failures of the Hub and its client as sentences.
- `transfer`: calls of `huggingface_hub` with a time limit.
- `cache`: download of files into the client's cache, with checks of sizes and hashes.
- `parquet`: download of a data set's parquet files.
- `typed_json`: read a JSON object and check the type of every value.
- `scores`: types of the scores in `report.json`.
- `report`: types and reader of `report.json`.
- `study`: types and reader of `explanations.json`.
- `tissue_maps`: types and reader of `tissue_maps.json`.
- `laboratories`: types and reader of `laboratories.json`.
- `upload`: upload of a folder.
"""
