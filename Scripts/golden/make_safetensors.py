#!/usr/bin/env python3
"""Writes Tests/ModelFilesTests/Resources/safetensors/reference.safetensors with the reference implementation.

Needs the PyPI packages safetensors (0.8 or later) and numpy. The values are fixed, so the same bytes come out every time.
"""
import pathlib

import numpy as np
from safetensors import TensorSpec, serialize

target = pathlib.Path(__file__).resolve().parents[2] / "Tests/ModelFilesTests/Resources/safetensors"
arrays = {
    "layer.0.weight": ("float32", np.arange(6, dtype=np.float32).reshape(2, 3) / 4 - 0.5),
    "layer.0.bias": ("float16", np.array([0.5, -1.25, 65504], dtype=np.float16)),
    "layer.10.weight": ("float32", np.array([[np.pi]], dtype=np.float32)),
    "ids": ("int64", np.array([-1, 2**62], dtype=np.int64)),
    "halves": ("bfloat16", np.array([0x3F80, 0xC000], dtype=np.uint16)),
    "mask": ("bool", np.array([True, False, True])),
    "f8": ("float8_e4m3fn", np.array([0x38, 0x7E], dtype=np.uint8)),
    "f8wide": ("float8_e5m2", np.array([0x3C], dtype=np.uint8)),
    "codes": ("uint8", np.array([0, 127, 255], dtype=np.uint8)),
    "signed": ("int8", np.array([-128, 0, 127], dtype=np.int8)),
    "doubles": ("float64", np.array([1 / 3], dtype=np.float64)),
    "scalar": ("float32", np.array(7, dtype=np.float32)),
    "empty": ("float32", np.zeros((0, 5), dtype=np.float32)),
    "naïve \"name\"\n": ("int16", np.array([-2], dtype=np.int16)),
    "words": ("uint32", np.array([4294967295], dtype=np.uint32)),
    "shorts": ("uint16", np.array([65535], dtype=np.uint16)),
    "wide": ("uint64", np.array([2**64 - 1], dtype=np.uint64)),
    "int": ("int32", np.array([-5], dtype=np.int32)),
}
tensors = {
    name: TensorSpec(dtype=dtype, shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes)
    for name, (dtype, array) in arrays.items()
}
target.mkdir(parents=True, exist_ok=True)
(target / "reference.safetensors").write_bytes(serialize(tensors, metadata={"format": "pt"}))
