"""The worker for models of PyTorch: one process, one model, one channel to the server."""
