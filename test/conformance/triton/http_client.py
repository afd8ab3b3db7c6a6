"""NVIDIA's client for the Open Inference Protocol over HTTP, against a server with the model minilm.

Usage: http_client.py HOST:PORT
"""

import sys
from collections.abc import Callable

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

MODEL = "minilm"


def inputs(ids: np.ndarray, binary: bool) -> list[triton.InferInput]:
    """The three inputs of a BERT model for rows of token ids."""
    out = []
    for name, value in (("input_ids", ids), ("attention_mask", np.ones_like(ids)), ("token_type_ids", np.zeros_like(ids))):
        one = triton.InferInput(name, list(value.shape), "INT64")
        one.set_data_from_numpy(value, binary_data=binary)
        out.append(one)
    return out


def refused(do: Callable[[], object], word: str) -> None:
    """Do is refused with a message that holds word."""
    try:
        do()
    except InferenceServerException as e:
        assert word in str(e), e
    else:
        raise AssertionError(f"nothing was refused for {word}")


def main() -> None:
    """Every call of the client that this server answers."""
    client = triton.InferenceServerClient(sys.argv[1], concurrency=4, network_timeout=120, connection_timeout=120)
    assert client.is_server_live() and client.is_server_ready()
    about = client.get_server_metadata()
    assert about["name"] == "ashatai" and "binary_tensor_data" in about["extensions"], about
    index = client.get_model_repository_index()
    assert MODEL in [m["name"] for m in index], index

    client.load_model(MODEL)
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, "latest") and client.is_model_ready(MODEL, "1")
    meta = client.get_model_metadata(MODEL)
    assert {i["name"] for i in meta["inputs"]} == {"input_ids", "attention_mask", "token_type_ids"}, meta
    name, shape = meta["outputs"][0]["name"], meta["outputs"][0]["shape"]
    config = client.get_model_config(MODEL)
    assert config["max_batch_size"] == 0 and config["input"][0]["data_type"] == "TYPE_INT64", config

    ids = np.array([[101, 7592, 2088, 102], [101, 2088, 7592, 102]], dtype=np.int64)
    as_bytes = client.infer(MODEL, inputs(ids, True), request_id="seven")
    values = as_bytes.as_numpy(name)
    assert as_bytes.get_response()["id"] == "seven"
    assert values.dtype == np.float32 and values.shape[:2] == (2, 4) and len(values.shape) == len(shape), values.shape
    wanted = [triton.InferRequestedOutput(name, binary_data=False)]
    as_json = client.infer(MODEL, inputs(ids, False), outputs=wanted, model_version="latest").as_numpy(name)
    assert np.array_equal(values, as_json)
    swapped = client.infer(MODEL, inputs(ids[::-1].copy(), True)).as_numpy(name)
    assert np.allclose(swapped[::-1], values, atol=1e-5)
    best = client.infer(MODEL, inputs(ids, True), outputs=[triton.InferRequestedOutput(name, class_count=2)]).as_numpy(name)
    value, place = best[0][0][0].decode().split(":")[:2]
    assert int(place) == int(values[0][0].argmax()) and abs(float(value) - values[0][0].max()) < 1e-5, best[0][0]
    waiting = [client.async_infer(MODEL, inputs(ids, True)) for _ in range(8)]
    assert all(np.array_equal(w.get_result().as_numpy(name), values) for w in waiting)

    refused(lambda: client.infer(MODEL, inputs(ids, True)[:2]), "is missing")
    refused(lambda: client.infer(MODEL, inputs(ids.astype(np.int64)[0], True)), "takes INT64")
    refused(lambda: client.infer(MODEL, inputs(ids, True), outputs=[triton.InferRequestedOutput("nothing")]), "has no output")
    refused(lambda: client.infer("nobody", inputs(ids, True)), "nobody")
    refused(lambda: client.infer(MODEL, inputs(ids, True), sequence_id=7), "sequence_id")
    refused(lambda: client.get_model_metadata(MODEL, "9"), "9")

    stats = client.get_inference_statistics(MODEL)["model_stats"][0]
    assert stats["inference_count"] >= 12 and stats["inference_stats"]["success"]["ns"] > 0, stats
    assert len(client.get_inference_statistics()["model_stats"]) >= 1

    client.unload_model(MODEL)
    assert not client.is_model_ready(MODEL)
    assert [m["state"] for m in client.get_model_repository_index() if m["name"] == MODEL] == ["UNAVAILABLE"]
    assert np.array_equal(client.infer(MODEL, inputs(ids, True)).as_numpy(name), values), "it is loaded again"
    assert client.is_model_ready(MODEL)
    client.close()
    print("all checks passed")


main()
