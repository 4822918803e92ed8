"""Messages and services of the `hcsd.v1` contract, generated from `protos`."""
