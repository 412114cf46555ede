"""A model behind HTTP, on ONNX Runtime: the old product's scoring schemas, Open Inference Protocol v2, bytes, forms.

No torch and no Django: these modules are copied into every bundle.
"""
