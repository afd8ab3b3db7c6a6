"""LangChain's standard tests of a chat model, by way of the Anthropic API."""

from typing import Any

from cases import MODEL, SERVER, StandardTests
from langchain_anthropic import ChatAnthropic


class TestAnthropic(StandardTests):
    @property
    def chat_model_class(self) -> type[ChatAnthropic]:
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_url": SERVER, "api_key": "none", "model": MODEL, "max_tokens": 128}
