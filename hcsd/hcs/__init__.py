"""The safe engine: compute systems and processes over any provider of the computecore ABI."""
