"""LangChain's standard tests of a chat model, by way of the OpenAI API."""

from typing import Any

from cases import MODEL, SERVER, StandardTests
from langchain_openai import ChatOpenAI


class TestOpenAI(StandardTests):
    @property
    def chat_model_class(self) -> type[ChatOpenAI]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_url": SERVER + "/v1", "api_key": "none", "model": MODEL, "max_tokens": 128, "stream_usage": True}
