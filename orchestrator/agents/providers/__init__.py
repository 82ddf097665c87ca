"""What each provider's program needs beside the protocol: one module each, with a function `setup`."""
