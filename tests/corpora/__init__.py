"""Public collections of difficult files, held against the gate: `make corpora DIR=… LEAST=…`."""
