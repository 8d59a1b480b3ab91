"""Exports a checkpoint to ONNX with the decoder in int8: python export.py CHECKPOINT DIR

The files are those that MusicGPT loads for its small quantised model when it runs the decoder in two parts: text
encoder and codec in f32, the decoder's first step and its later steps with int8 matrices."""

import sys
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx import main_export

IN_INT8 = ("decoder_model.onnx", "decoder_with_past_model.onnx")
IN_F32 = ("text_encoder.onnx", "encodec_decode.onnx")


def main(checkpoint: Path, folder: Path) -> None:
    exported = folder / "f32"
    main_export(str(checkpoint), exported, task="text-to-audio", no_post_process=True, do_validation=False)
    for name in IN_F32:
        (exported / name).rename(folder / name)
    for name in IN_INT8:
        quantize_dynamic(
            exported / name, folder / name, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
        )
        (exported / name).unlink()
    for rest in exported.iterdir():
        rest.unlink()
    exported.rmdir()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
