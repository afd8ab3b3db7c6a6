"""NVIDIA's client for the Open Inference Protocol over gRPC, against a server with the model minilm.

Usage: grpc_client.py HOST:PORT
"""

import queue
import sys
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

MODEL = "minilm"


def inputs(ids: np.ndarray) -> list[triton.InferInput]:
    """The three inputs of a BERT model for rows of token ids."""
    out = []
    for name, value in (("input_ids", ids), ("attention_mask", np.ones_like(ids)), ("token_type_ids", np.zeros_like(ids))):
        one = triton.InferInput(name, list(value.shape), "INT64")
        one.set_data_from_numpy(value)
        out.append(one)
    return out


def refused(do: Callable[[], object], status: str, word: str) -> None:
    """Do is refused with a status and a message that holds word."""
    try:
        do()
    except InferenceServerException as e:
        assert e.status() == f"StatusCode.{status}" and word in str(e), e
    else:
        raise AssertionError(f"nothing was refused for {word}")


def streamed(client: triton.InferenceServerClient, ids: np.ndarray, values: np.ndarray, name: str) -> None:
    """A stream answers each request in its order, and goes on after one that is wrong."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(4):
        client.async_stream_infer(MODEL, inputs(ids), request_id=str(i))
    client.async_stream_infer(MODEL, inputs(ids)[:1], request_id="wrong")
    client.async_stream_infer(MODEL, inputs(ids), request_id="last")
    for want in ("0", "1", "2", "3", "wrong", "last"):
        result, error = answers.get(timeout=120)
        if want == "wrong":
            assert "is missing" in str(error), error
            continue
        assert error is None and result.get_response().id == want, (want, error)
        assert np.array_equal(result.as_numpy(name), values)
    client.stop_stream()


def main() -> None:
    """Every call of the client that this server answers."""
    client = triton.InferenceServerClient(sys.argv[1])
    assert client.is_server_live() and client.is_server_ready()
    about = client.get_server_metadata()
    assert about.name == "ashatai" and "classification" in about.extensions, about
    assert MODEL in [m.name for m in client.get_model_repository_index().models]

    client.load_model(MODEL)
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, "latest") and client.is_model_ready(MODEL, "1")
    meta = client.get_model_metadata(MODEL)
    assert {i.name for i in meta.inputs} == {"input_ids", "attention_mask", "token_type_ids"}, meta
    name, shape = meta.outputs[0].name, meta.outputs[0].shape
    config = client.get_model_config(MODEL, as_json=True)["config"]
    assert config["input"][0]["data_type"] == "TYPE_INT64", config

    ids = np.array([[101, 7592, 2088, 102], [101, 2088, 7592, 102]], dtype=np.int64)
    answer = client.infer(MODEL, inputs(ids), request_id="seven", model_version="latest")
    values = answer.as_numpy(name)
    assert answer.get_response().id == "seven" and answer.get_response().parameters["x-ashatai-runtime"].string_param == "onnx"
    assert values.dtype == np.float32 and values.shape[:2] == (2, 4) and len(values.shape) == len(shape), values.shape
    for packing in ("gzip", "deflate"):
        packed = client.infer(MODEL, inputs(ids), outputs=[triton.InferRequestedOutput(name)], compression_algorithm=packing)
        assert np.array_equal(packed.as_numpy(name), values), packing
    best = client.infer(MODEL, inputs(ids), outputs=[triton.InferRequestedOutput(name, class_count=2)]).as_numpy(name)
    value, place = best[0][0][0].decode().split(":")[:2]
    assert int(place) == int(values[0][0].argmax()) and abs(float(value) - values[0][0].max()) < 1e-5, best[0][0]
    waiting: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for _ in range(8):
        client.async_infer(MODEL, inputs(ids), lambda result, error: waiting.put((result, error)))
    for _ in range(8):
        result, error = waiting.get(timeout=120)
        assert error is None and np.array_equal(result.as_numpy(name), values), error
    streamed(client, ids, values, name)

    refused(lambda: client.infer(MODEL, inputs(ids)[:2]), "INVALID_ARGUMENT", "is missing")
    refused(lambda: client.infer(MODEL, inputs(ids[0])), "INVALID_ARGUMENT", "takes INT64")
    refused(lambda: client.infer(MODEL, inputs(ids), outputs=[triton.InferRequestedOutput("nothing")]), "INVALID_ARGUMENT", "has no output")
    refused(lambda: client.infer("nobody", inputs(ids)), "NOT_FOUND", "nobody")
    refused(lambda: client.infer(MODEL, inputs(ids), sequence_id=7), "INVALID_ARGUMENT", "sequence_")
    refused(lambda: client.infer(MODEL, inputs(ids), timeout=1), "DEADLINE_EXCEEDED", "time limit")
    refused(lambda: client.get_model_metadata(MODEL, "9"), "NOT_FOUND", "9")
    refused(lambda: client.get_system_shared_memory_status(), "UNIMPLEMENTED", "There is nothing at")

    stats = client.get_inference_statistics(MODEL).model_stats[0]
    assert stats.inference_count >= 12 and stats.inference_stats.success.ns > 0, stats
    assert len(client.get_inference_statistics().model_stats) >= 1

    client.unload_model(MODEL)
    assert not client.is_model_ready(MODEL)
    assert [m.state for m in client.get_model_repository_index().models if m.name == MODEL] == ["UNAVAILABLE"]
    assert np.array_equal(client.infer(MODEL, inputs(ids)).as_numpy(name), values), "it is loaded again"
    typed(client, ids, values)
    client.close()
    print("all checks passed")


def typed(client: triton.InferenceServerClient, ids: np.ndarray, values: np.ndarray) -> None:
    """Typed contents, which this client has no call for, are answered with typed contents."""
    request = triton.service_pb2.ModelInferRequest(model_name=MODEL)
    for name, value in (("input_ids", ids), ("attention_mask", np.ones_like(ids)), ("token_type_ids", np.zeros_like(ids))):
        one = request.inputs.add(name=name, datatype="INT64", shape=value.shape)
        one.contents.int64_contents.extend(value.flatten().tolist())
    with grpc.insecure_channel(sys.argv[1]) as channel:
        answer = triton.service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert np.array_equal(np.array(answer.outputs[0].contents.fp32_contents, dtype=np.float32), values.flatten())


main()
