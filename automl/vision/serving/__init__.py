"""A model behind HTTP, without torch: the old product's scoring schemas, Open Inference Protocol v2, bytes, forms.

No Django either: these modules are copied into every bundle.
"""
