"""Every published figure, by one command each: `python -m bench` prints all of them."""
