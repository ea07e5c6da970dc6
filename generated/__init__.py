"""The showcase: networks written and compiled by `make build`; see manifest.toml."""
