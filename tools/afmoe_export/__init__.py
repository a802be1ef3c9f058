"""Parts of export_afmoe.py: what a Hugging Face folder holds, and how it becomes the tensors of an ONNX graph."""


class ExportError(Exception):
    """The folder cannot be exported; the text says which file, key or tensor and why."""
