"""Doors for the worker: ids in, one service call."""
