"""Retention: what Workflows leave behind goes when it has had its time or the disk is full; never the wrong thing.

One pass is `cleanup.clean_up`. Each step takes the lease of the Workflows it touches, writes down what is gone only
once it is, and does again what an earlier pass was killed in.
"""
