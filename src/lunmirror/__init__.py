"""Declarative redundant storage from two cheap iSCSI servers."""

__version__ = "0.1.0"
