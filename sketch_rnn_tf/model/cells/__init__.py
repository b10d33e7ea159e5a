"""Recurrent cells: each equation beside its class."""
