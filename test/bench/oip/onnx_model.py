"""A model class for MLServer: an ONNX file through ONNX Runtime, as its documentation writes such classes."""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):  # type: ignore[misc]
    """Computes what the request gives by name."""

    async def load(self) -> bool:
        """Opens the session with as many threads as the other server has."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(self.settings.parameters.extra["threads"])
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options, providers=["CPUExecutionProvider"])
        self.names = [o.name for o in self.session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One run of the session."""
        feed = {i.name: np.asarray(NumpyCodec.decode_input(i)).reshape(i.shape) for i in payload.inputs}
        values = self.session.run(self.names, feed)
        outputs = [NumpyCodec.encode_output(n, v) for n, v in zip(self.names, values, strict=True)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
