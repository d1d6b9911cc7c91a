"""The Hub's side of a network: `from_pretrained`, `save_pretrained` and `push_to_hub`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from torch import nn

from dala.hub import upload
from dala.hub.layout import CARD, OWNED
from dala.hub.upload import UploadError
from dala.models import card, pretrained, serialization
from dala.models.device import find_device
from dala.models.serialization import WeightsError

__all__ = ["HubMixin"]


class HubMixin(nn.Module, PyTorchModelHubMixin):
    """A network that saves, loads and publishes itself with the checks of `dala.models.pretrained`.

    A class that inherits it defines `config`, which returns the constructor's arguments.
    """

    def config(self) -> dict[str, Any]:
        """The constructor's arguments as plain JSON, and "architecture", the name of the class."""
        raise NotImplementedError

    def _save_pretrained(self, save_directory: Path) -> None:
        serialization.save(self, save_directory)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The card of a network without a report: what its config states, and what is not known."""
        return ModelCard(card.card(self.config()))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        **mixin: Any,
    ) -> str:
        """Send the network to the Hub: `model.safetensors`, `config.json` with its SHA-256, and a model card.

        Args:
            repo_id: "user/name", created if it is not there.
            private: refused where the repository is public already; None leaves it to the account.
            token: None for the one of `hf auth login` or HF_TOKEN.
            commit_message, branch, create_pr: as in `HfApi.upload_folder`.
            mixin: `config` and `model_card_kwargs`, which `save_pretrained` passes on; both are the network's own.

        Returns:
            The address of the commit.

        Raises:
            UploadError: not logged in, refused, or not reached; or an argument that changes which files are sent.
        """
        unknown = sorted(mixin.keys() - {"config", "model_card_kwargs"})
        if unknown:
            raise UploadError(f"push_to_hub takes no {', '.join(unknown)}: the folder is sent whole.")
        to = upload.Repository(repo_id, private=private, owned=OWNED)
        api = upload.client(token)
        message = commit_message or f"Publish a {type(self).__name__}"
        with TemporaryDirectory() as place:
            digest = serialization.save(self, Path(place))
            (Path(place) / CARD).write_text(card.card(self.config(), digest), encoding="utf-8")
            return upload.send(Path(place), to, api, message, revision=branch, create_pr=create_pr).commit_url

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        map_location: str | torch.device | None = None,
        **model_kwargs: Any,
    ) -> Self:
        """Load a network from a folder or the Hub, checked, in evaluation mode; see `dala.models.pretrained.load`.

        It is moved to the device `map_location`; None for the CPU.

        The method of `PyTorchModelHubMixin` leaves missing layers random, falls back to a pickle, and waits long for a
        silent Hub.

        Raises:
            WeightsError: as `dala.models.pretrained.load`, or arguments that would change what the weights were saved
                with.
            DeviceError: a device that does not exist here.
        """
        device = find_device(str(map_location or "cpu"))
        if model_kwargs.pop("strict", True) is not True or model_kwargs:
            names = ", ".join(["strict=False", *model_kwargs][bool(model_kwargs) :])
            raise WeightsError(f"from_pretrained takes no {names}: a network is loaded whole, as it was saved.")
        source = str(pretrained_model_name_or_path)
        return pretrained.load(
            cls,
            f"{source}@{revision}" if revision and not Path(source).exists() else source,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        ).model.to(device)
