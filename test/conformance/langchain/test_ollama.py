"""LangChain's standard tests of a chat model, by way of the Ollama API."""

from typing import Any

from cases import MODEL, SERVER, StandardTests
from langchain_ollama import ChatOllama


class TestOllama(StandardTests):
    @property
    def chat_model_class(self) -> type[ChatOllama]:
        return ChatOllama

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_url": SERVER, "model": MODEL, "num_predict": 128}
