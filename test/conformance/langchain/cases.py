"""What the three test files share: the server, its model, and the cases that this model cannot pass.

A model of 135 million parameters does not reason. What the server can hold it to (a call that must come, arguments and
answers by a schema) it must do; what is left to its own judgement is listed in CANNOT.
"""

import os

import ollama
import openai
from langchain_tests.integration_tests import ChatModelIntegrationTests

SERVER = os.environ["ASHATAI_SERVER"]
DEFAULT = next(iter(openai.OpenAI(base_url=SERVER + "/v1", api_key="none").models.list())).id
# The same weights, without chance, and kept from saying one sentence for ever.
MODEL = "steady"
ollama.Client(SERVER).create(MODEL, from_=DEFAULT, parameters={"temperature": 0, "frequency_penalty": 0.6})

# By the name of a test, or of a class and a test.
CANNOT = {
    "test_agent_loop": "the model does not decide by itself to call a tool, and the case asks for no call",
    "test_unicode_tool_call_integration": "the model does not copy Japanese text into an argument",
} | {
    f"TestOllama.{name}": "Ollama's API has no tool_choice, so the model is left to its own judgement"
    for name in (
        "test_tool_calling", "test_tool_calling_async", "test_bind_runnables_as_tools", "test_tool_choice",
        "test_tool_calling_with_no_arguments",
    )
}


class StandardTests(ChatModelIntegrationTests):
    """LangChain's standard tests. A subclass names its chat model."""

    @property
    def supports_json_mode(self) -> bool:
        return True
