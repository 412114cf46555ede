"""The torch program: data, models, training, metrics, prediction. Knows no database, queue or settings; never Django.

Importing this package (and `automl.vision.spec`) imports no torch, so that forms and docs can read the tables.
"""
