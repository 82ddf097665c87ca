"""The built-in agent: speaks the protocol as every agent does, has no model, does what a query's blocks say.

Standard library alone, and only modules that import fast: it is up in some 50 ms.
"""
