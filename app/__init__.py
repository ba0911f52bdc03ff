"""Modelward: a model-governance server over the operationalization cycle of a model."""
