"""The key `openlineage` of `bulketl.yaml`, typed: which collector hears what a load has read and written."""

from __future__ import annotations

from pydantic import Field, model_validator

from bulketl.config.channels import Text, WebUrl, on_this_machine, scheme_and_host
from bulketl.config.values import Model


class OpenLineage(Model):
    """The collector at `url`, to which `/api/v1/lineage` is added; `api_key` is sent to it as a bearer token.

    `namespace`: of the jobs; datasets have the namespaces of their servers.
    """

    url: WebUrl = Field(repr=False)
    api_key: str = Field(default="", repr=False)
    namespace: Text = "bulketl"

    @model_validator(mode="after")
    def _encrypted(self) -> OpenLineage:
        scheme, host = scheme_and_host(self.url)
        if self.api_key and scheme == "http" and not on_this_machine(host):
            raise ValueError("the api_key is a secret: a url that begins with https:// is expected")
        if not self.api_key.isprintable() or not self.api_key.isascii():
            raise ValueError("the api_key has a character that no header of HTTP can have")
        return self
