"""Every published figure, by one command each: `python -m bench` prints all of them.

Each works in a temporary folder of its own. Where the disk is slow or shared, `TMPDIR=/dev/shm` takes its noise away
from both sides.
"""
