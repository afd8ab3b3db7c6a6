"""Makes small models for the tests: make.py FOLDER [MINILM]. It runs in the environment of the PyTorch runtime. MINILM is the folder of the
published model, of which it makes a program."""

import codecs
import contextlib
import io
import json
import sys
from pathlib import Path

with contextlib.redirect_stdout(io.StringIO()):
    import this

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModel, BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, OpenAIGPTConfig, OpenAIGPTLMHeadModel, RobertaConfig, RobertaModel

out = Path(sys.argv[1])
torch.manual_seed(7)
tok = Tokenizer(models.BPE())
tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tok.decoder = decoders.ByteLevel()
text = codecs.decode(this.s, "rot13")
tok.train_from_iterator([text] * 4, trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "</s>", "<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
tok.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
size = tok.get_vocab_size()

llama = out / "llama"
LlamaForCausalLM(
    LlamaConfig(
        vocab_size=size, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
        bos_token_id=0, eos_token_id=1, initializer_range=0.2,
    )
).save_pretrained(llama)
tok.save(str(llama / "tokenizer.json"))
(llama / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>", "chat_template": "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}<|end|>{% endfor %}"}))

# It takes no keys and values.
gpt = out / "gpt"
OpenAIGPTLMHeadModel(OpenAIGPTConfig(vocab_size=size, n_positions=64, n_embd=32, n_layer=1, n_head=2)).save_pretrained(gpt)
tok.save(str(gpt / "tokenizer.json"))

bert = out / "bert"
tok.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
BertModel(BertConfig(vocab_size=size, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64)).save_pretrained(bert)
tok.save(str(bert / "tokenizer.json"))

# Its positions begin behind the row of padding: of 34 rows a text has 31.
roberta = out / "roberta"
RobertaModel(
    RobertaConfig(
        vocab_size=size, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=34, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )
).save_pretrained(roberta)
tok.save(str(roberta / "tokenizer.json"))


class Net(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(3, 2)
        with torch.no_grad():
            self.line.weight.copy_(torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]]))
            self.line.bias.copy_(torch.tensor([0.5, 0.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.line(x))


net = Net().eval()
(out / "program").mkdir()
torch.jit.script(net).save(str(out / "program" / "model.pt"))
torch.export.save(torch.export.export(net, (torch.ones(1, 3),)), str(out / "program" / "model.pt2"))
torch.save(net.state_dict(), str(out / "program" / "pickle.pt"))


class Picked(torch.nn.Module):  # type: ignore[misc]
    """A program of TorchScript that takes numbers, and a tensor of another type than float32."""

    def forward(self, x: torch.Tensor, rows: torch.Tensor, times: int, plus: float, negative: bool) -> torch.Tensor:
        y = x[rows] * times + plus
        return -y if negative else y


(out / "picked").mkdir()
torch.jit.script(Picked().eval()).save(str(out / "picked" / "model.pt"))


class Rows(torch.nn.Module):  # type: ignore[misc]
    """Looks rows up, and fails by an IndexError where there is none. Its second output is more than a frame holds."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = torch.nn.Embedding(4, 2)

    def forward(self, i: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.rows(i), i.sum().repeat(9 << 20)


(out / "rows").mkdir()
torch.export.save(torch.export.export(Rows().eval(), (torch.zeros(2, dtype=torch.long),)), str(out / "rows" / "model.pt2"))


class Hidden(torch.nn.Module):  # type: ignore[misc]
    """The vectors of a text's tokens, which the pooling of a model for embeddings begins with."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.net(input_ids=input_ids, attention_mask=attention_mask)
        return out.last_hidden_state, out.pooler_output


if len(sys.argv) > 2:
    one = torch.ones(1, 8, dtype=torch.long)
    (out / "minilm").mkdir()
    # One of its six layers: tracing and loading a program take as long as it has layers, and the others are like the first.
    net = AutoModel.from_pretrained(sys.argv[2], local_files_only=True).eval()
    del net.encoder.layer[1:]
    torch.export.save(torch.export.export(Hidden(net), (one, one)), str(out / "minilm" / "model.pt2"))
