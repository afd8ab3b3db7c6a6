"""LangChain's standard tests of a chat model, by way of the Anthropic API."""

from cases import MODEL, SERVER, StandardTests
from langchain_anthropic import ChatAnthropic


class TestAnthropic(StandardTests):
    @property
    def chat_model_class(self):
        return ChatAnthropic

    @property
    def chat_model_params(self):
        return {"base_url": SERVER, "api_key": "none", "model": MODEL, "max_tokens": 256}
