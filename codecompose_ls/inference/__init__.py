"""Token level: ONNX graph and session, KV reuse, decoding."""
